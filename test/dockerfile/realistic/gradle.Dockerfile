FROM eclipse-temurin:21-jdk AS build
WORKDIR /workspace/app
COPY --parents **/build.gradle* gradle gradlew settings.gradle* ./
RUN --mount=type=cache,target=/root/.gradle ./gradlew dependencies --no-daemon
COPY --exclude=**/*.md --exclude=docs . .
RUN --mount=type=cache,target=/root/.gradle --mount=type=tmpfs,target=/tmp/scratch,size=512m ./gradlew clean bootJar
RUN mkdir -p build/dependency && (cd build/dependency; jar -xf ../libs/*-SNAPSHOT.jar)

FROM eclipse-temurin:21-jre
VOLUME /tmp
ARG DEPENDENCY=/workspace/app/build/dependency
COPY --from=build ${DEPENDENCY}/BOOT-INF/lib /app/lib
COPY --from=build ${DEPENDENCY}/META-INF /app/META-INF
COPY --from=build ${DEPENDENCY}/BOOT-INF/classes /app
ENTRYPOINT ["java","-cp","app:app/lib/*","hello.Application"]

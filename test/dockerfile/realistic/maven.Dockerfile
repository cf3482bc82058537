FROM maven:3.9-eclipse-temurin-17 AS deps
WORKDIR /build
COPY --chmod=0755 mvnw mvnw
COPY .mvn/ .mvn/
RUN --mount=type=bind,source=pom.xml,target=pom.xml \
    --mount=type=secret,id=settings,target=/root/.m2/settings.xml \
    --mount=type=cache,target=/root/.m2/repository ./mvnw dependency:go-offline -DskipTests

FROM deps AS package
COPY ./src src/
RUN --mount=type=bind,source=pom.xml,target=pom.xml,ro \
    --mount=type=cache,target=/root/.m2/repository <<EOF2
./mvnw package -DskipTests
mv target/$(./mvnw help:evaluate -Dexpression=project.artifactId -q -DforceStdout)-*.jar target/app.jar
EOF2

FROM eclipse-temurin:17-jre-jammy AS final
ARG UID=10001
RUN adduser \
    --disabled-password \
    --gecos "" \
    --uid "${UID}" \
    appuser
USER appuser
COPY --from=package build/target/app.jar app.jar
ENTRYPOINT [ "java", "-jar", "app.jar" ]

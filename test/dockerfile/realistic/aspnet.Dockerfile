FROM --platform=$BUILDPLATFORM mcr.microsoft.com/dotnet/sdk:9.0-alpine AS build
ARG TARGETARCH
WORKDIR /source
COPY --link NuGet.config *.csproj ./
RUN --mount=type=cache,id=nuget,target=/root/.nuget/packages dotnet restore -a ${TARGETARCH/amd64/x64}
COPY --link . .
RUN dotnet publish -a ${TARGETARCH/amd64/x64} --no-restore -o /app
FROM mcr.microsoft.com/dotnet/aspnet:9.0-alpine
EXPOSE 8080
WORKDIR /app
COPY --link --from=build /app .
USER $APP_UID
ENTRYPOINT ["./aspnetapp"]

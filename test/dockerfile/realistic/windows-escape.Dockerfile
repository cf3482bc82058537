# escape=`
# syntax=docker/dockerfile:1
FROM busybox
ENV DIR=C:\dir `
    OTHER=`$HOME
RUN echo C:\path\ `
    && echo `
    done
COPY a\file C:/to/

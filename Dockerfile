# syntax=docker/dockerfile:1

FROM golang:1.26-bookworm AS build
WORKDIR /src
# The modules are a layer of their own: they change seldom.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/watchgate ./cmd/watchgate \
 && mkdir /out/data

# No shell and no package manager: certificate roots, time zones and one program.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/watchgate /usr/local/bin/watchgate
# A volume mounted here starts with this folder's owner.
COPY --from=build --chown=nonroot:nonroot --chmod=0700 /out/data /data
USER nonroot
VOLUME /data
EXPOSE 8080 8090
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/watchgate"]
CMD ["serve", "--config", "/etc/watchgate/watchgate.yaml"]

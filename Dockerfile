# Both programs in an image with nothing else:
#   docker build -t cni-portmap-isolate .
# The exporter is what runs; it needs the host's network, processes and records:
#   docker run -d --network host --pid host --read-only --cap-drop ALL \
#     --cap-add DAC_READ_SEARCH --cap-add SYS_ADMIN --cap-add SYS_PTRACE --security-opt apparmor=unconfined \
#     -v /run/cni-portmap-isolate:/run/cni-portmap-isolate:ro -v /run/netns:/run/netns:ro,rslave cni-portmap-isolate
# The plugin is for the host, where runtimes start it, and is copied out:
#   id=$(docker create cni-portmap-isolate) && docker cp "$id":/cni-portmap-isolate /opt/cni/bin/ && docker rm "$id"

# Any image with bash, apt-get and an SDK that global.json accepts.
ARG SDK_IMAGE=mcr.microsoft.com/dotnet/sdk:10.0

FROM ${SDK_IMAGE} AS build
ENV DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
WORKDIR /source
# On their own, so that a change of the sources does not install clang and lld again.
COPY tests/deps.sh tests/
RUN tests/deps.sh
COPY global.json Directory.Build.props Directory.Packages.props .editorconfig ./
COPY tests/publish.sh tests/
COPY src src
RUN tests/publish.sh cni-portmap-isolate && \
    tests/publish.sh cni-portmap-exporter

FROM scratch
LABEL org.opencontainers.image.title="cni-portmap-isolate" \
      org.opencontainers.image.description="CNI plugin that lets containers share the host's one address, and the exporter of its statistics" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /source/artifacts/bin/cni-portmap-isolate /source/artifacts/bin/cni-portmap-exporter /
COPY conf /conf
COPY LICENSE /
# No USER: to another than root the engine gives no capabilities, and without them the records, which are root's alone, cannot be read.
ENTRYPOINT ["/cni-portmap-exporter"]

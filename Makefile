# Everything from a fresh checkout: `make test` installs what it needs, builds and tests.
SHELL := /bin/bash
PROGRAMS := $(notdir $(patsubst %/,%,$(dir $(wildcard src/cni-portmap-*/*.csproj))))
BINARIES := $(PROGRAMS:%=artifacts/bin/%)
SOURCES := $(shell find src -name obj -prune -o -name bin -prune -o -type f -print) Directory.Build.props Directory.Packages.props global.json
# Telemetry and first-run messages have no place in a build's output.
export DOTNET_NOLOGO := 1
export DOTNET_CLI_TELEMETRY_OPTOUT := 1

.PHONY: build deps deps-test deps-deb deps-extra deps-demo deb test test-dockerfile test-new-machine soak demo bench fuzz clean

build: $(BINARIES)

$(BINARIES): artifacts/bin/%: $(SOURCES) tests/publish.sh | deps
	@tests/publish.sh $*

deps:
	@tests/deps.sh

# Container runtimes, as files that no package manager knows of: nothing is enabled or started, no service, network or user of this machine changes.
LIBRARIES := usr/lib/x86_64-linux-gnu
RUNTIMES := containerd@usr/bin/containerd,usr/bin/ctr,usr/bin/containerd-shim-runc-v2 runc@usr/sbin/runc \
	podman@usr/bin/podman conmon@usr/bin/conmon libgpgme11@$(LIBRARIES)/libgpgme.so.11,$(LIBRARIES)/libgpgme.so.11.27.0 \
	libsubid4@$(LIBRARIES)/libsubid.so.4,$(LIBRARIES)/libsubid.so.4.0.0 busybox-static@bin/busybox \
	libseccomp2:/$(LIBRARIES)/libseccomp.so.2 libglib2.0-0:/$(LIBRARIES)/libglib-2.0.so.0 libassuan0:/$(LIBRARIES)/libassuan.so.0 \
	libdevmapper1.02.1:/$(LIBRARIES)/libdevmapper.so.1.02.1 \
	golang-go:go golang-github-appc-cni-dev:/usr/share/gocode/src/github.com/containernetworking/cni/libcni/api.go containernetworking-plugins:/usr/lib/cni/tuning

# What tests start, besides Debian's required packages (tests/path.sh: nothing else is found).
# Not all of Debian's prometheus, which starts a server where systemd runs.
TEST_TOOLS := git:git make:make procps:sysctl kmod:modprobe user-mode-linux:linux.uml prometheus@usr/bin/promtool systemd:systemd-analyze \
	chromium:chromium chromium-driver:chromedriver time:/usr/bin/time nftables:nft ethtool:ethtool \
	qemu-system-x86:qemu-system-x86_64 cpio:cpio xz-utils:xz \
	python3-yaml:/usr/lib/python3/dist-packages/yaml $(RUNTIMES)

deps-test:
	@tests/deps.sh $(TEST_TOOLS)

# To make Debian packages, and to judge them and their man pages.
DEB_TOOLS := dpkg-dev:dpkg-buildpackage debhelper:dh_installsysusers lintian:lintian man-db:man groff-base:groff

deps-deb:
	@tests/deps.sh $(DEB_TOOLS)

# Not all of Debian's prometheus-node-exporter, for the same reason.
deps-extra:
	@tests/deps.sh iperf3:iperf3 containernetworking-plugins:/usr/lib/cni/ptp prometheus-node-exporter@usr/bin/prometheus-node-exporter

# For the picture of the exporter's page, and for what is shown on the way.
deps-demo:
	@tests/deps.sh chromium:chromium procps:sysctl

# TEST="--only Crash", "--help".
test: deps deps-test deps-deb build
	@path=$$(tests/path.sh $(TEST_TOOLS) $(DEB_TOOLS)) && PATH=$$path tests/run.sh $(TEST)

# An hour of what only repetition finds; SOAK="--minutes 600".
soak: deps deps-test build
	@path=$$(tests/path.sh $(TEST_TOOLS)) && PATH=$$path tests/run.sh soak $(SOAK)

# The Debian packages of both programs, in artifacts/deb.
deb: deps deps-deb build
	@packaging/build.sh

# The Dockerfile's steps as an engine would run them, NativeAOT and all: `make test` stops before that.
test-dockerfile: deps deps-test build
	DOCKERFILE_BUILD=full dotnet test tests/Package.Tests --filter FullyQualifiedName~DockerfileTests

# `make test` of the last commit where nothing is installed yet.
test-new-machine:
	tests/new-machine.sh

demo: deps deps-extra deps-demo build
	dotnet run --project tests/Demo -c Release

bench: deps deps-extra build
	dotnet run --project tests/Bench -c Release

# Ten minutes of inputs that were never tried before; FUZZ="--minutes 600", "--target program", "--seed 1 --number 5", --help.
fuzz: deps deps-test build
	dotnet run --project tests/Fuzz -c Release -- $(FUZZ)

clean:
	rm -rf artifacts
	find src tests -type d \( -name bin -o -name obj -o -name TestResults \) -prune -exec rm -rf {} +

#!/bin/sh
# Set up an emulated aarch64 user space in a folder: Debian's qemu-user-static, its arm64 packages of Python,
# and the aarch64 wheels of NumPy, LiteRT and ONNX Runtime. Nothing is installed on the machine itself.
#
#     tools/aarch64.sh [FOLDER]            build/aarch64 unless said otherwise
#     build/aarch64/python run.py ...      Python, as on an aarch64 board
#
# It needs Debian 12 with apt-get and dpkg, pip, and a network. Under its qemu 7.2 ai-edge-litert 2.3.0 and
# onnxruntime 1.32.0 crash, and these versions do not. Times under emulation are no times.
set -eu

PYTHON=${PYTHON:-python3}
LITERT=${LITERT:-2.1.0}
ONNXRUNTIME=${ONNXRUNTIME:-1.24.1}
case ${1:-build/aarch64} in
    /*) HERE=${1:-build/aarch64} ;;
    *) HERE=$PWD/${1:-build/aarch64} ;;
esac

for tool in apt-get dpkg "$PYTHON"; do
    command -v "$tool" > /dev/null || { echo "aarch64.sh: needs $tool, which is not here" >&2; exit 2; }
done

mkdir -p "$HERE/debs/partial" "$HERE/root" "$HERE/emulator" "$HERE/wheels" "$HERE/site" "$HERE/apt/lists/partial"
cd "$HERE"

# The lists of arm64 lie beside those of the machine, which stay as they are.
foreign() {
    apt-get --quiet=2 -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::lists="$HERE/apt/lists" \
        -o Dir::Cache::archives="$HERE/debs" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o Dir::State::status=/dev/null -o APT::Sandbox::User= "$@"
}

if [ ! -x emulator/usr/bin/qemu-aarch64-static ]; then
    (cd debs && apt-get --quiet=2 -o APT::Sandbox::User= download qemu-user-static)
    for package in debs/qemu-user-static_*.deb; do dpkg -x "$package" emulator; done
fi

if [ ! -e root/usr/bin/python3.11 ]; then
    foreign update
    (
        cd debs
        foreign download libc6 libgcc-s1 libstdc++6 zlib1g libexpat1 libssl3 libffi8 liblzma5 libbz2-1.0 libuuid1 \
            libcrypt1 libsqlite3-0 libtinfo6 libncursesw6 libreadline8 libnsl2 libtirpc3 \
            python3.11 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib
    )
    for package in debs/*_arm64.deb; do dpkg -x "$package" root; done
fi

if [ ! -e site/.done ]; then
    rm -rf wheels site
    mkdir wheels site
    for wheel in "numpy<2.3" "ai-edge-litert==$LITERT" "onnxruntime==$ONNXRUNTIME"; do
        "$PYTHON" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --python-version 3.11 --implementation cp --abi cp311 --platform manylinux2014_aarch64 \
            --platform manylinux_2_17_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 \
            --dest wheels "$wheel"
    done
    for wheel in wheels/*.whl; do
        "$PYTHON" -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$wheel" site
    done
    touch site/.done
fi

cat > python <<END
#!/bin/sh
PYTHONHOME=$HERE/root/usr PYTHONPATH=$HERE/site PYTHONDONTWRITEBYTECODE=1 \\
    exec $HERE/emulator/usr/bin/qemu-aarch64-static -L $HERE/root $HERE/root/usr/bin/python3.11 "\$@"
END
chmod +x python
./python -c 'import platform, numpy; print(platform.machine(), "Python", platform.python_version(), "NumPy", numpy.__version__)'

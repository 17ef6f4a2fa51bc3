# SPDX-License-Identifier: Apache-2.0
# Shared by scripts/demo and scripts/test: install what is missing, configure, build. To be sourced by bash.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# step <what> <log> <command ...>: runs quietly; on failure shows the end of the log.
step() {
  local what=$1 log=$2 start=$SECONDS
  shift 2
  mkdir -p "$(dirname "$log")"
  printf '%s: %s ... ' "$(basename "$0")" "$what"
  if "$@" > "$log" 2>&1; then
    printf 'done (%d s)\n' $((SECONDS - start))
  else
    printf 'FAILED; the end of %s:\n\n' "$log"
    tail -n 60 "$log"
    exit 1
  fi
}

have_command() { command -v "$1" > /dev/null 2>&1; }
have_header() {
  local folder
  for folder in /usr/include /usr/local/include; do
    if [ -e "$folder/$1" ]; then return 0; fi
  done
  return 1
}

# What each Debian package is for, and how to see that it is there.
present() {
  case $1 in
    g++) have_command "${CXX:-c++}" ;;
    cmake) have_command cmake ;;
    ninja-build) have_command ninja ;;
    pkg-config) have_command pkg-config ;;
    libxsimd-dev) have_header xsimd/xsimd.hpp ;;
    libdnnl-dev) have_header dnnl.hpp ;;
    ocl-icd-opencl-dev) have_header CL/cl.h ;;  # oneDNN's CMake file demands it, its package only recommends it
    libeigen3-dev) have_header eigen3/Eigen/Core ;;
    nlohmann-json3-dev) have_header nlohmann/json.hpp ;;
    libcli11-dev) have_header CLI/CLI.hpp ;;
    libfmt-dev) have_header fmt/format.h ;;
    catch2) have_header catch2/catch.hpp || have_header catch2/catch_all.hpp ;;
    *) return 1 ;;
  esac
}

# install_missing <required packages> <packages that the build can do without>
install_missing() {
  local package missing=() wanted=() privilege=()
  mkdir -p build  # for the logs
  for package in $1; do present "$package" || missing+=("$package"); done
  for package in $2; do present "$package" || wanted+=("$package"); done
  if [ ${#missing[@]} -eq 0 ] && [ ${#wanted[@]} -eq 0 ]; then return; fi
  if ! have_command apt-get; then
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    die "this system has no apt; please install the equivalent of these Debian packages: ${missing[*]} ${wanted[*]}"
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if have_command sudo; then
      privilege=(sudo)
    elif [ ${#missing[@]} -eq 0 ]; then
      say "going on without ${wanted[*]}"
      return
    else
      die "some packages are missing. Please run as root, then come back:
  apt-get install --no-install-recommends ${missing[*]} ${wanted[*]}"
    fi
  fi
  say "these Debian packages are missing and will be installed by apt: ${missing[*]} ${wanted[*]}"
  say "(${privilege[*]:+with ${privilege[*]}, }without recommended packages)"
  if [ ${#missing[@]} -gt 0 ]; then
    step "apt-get update" build/apt-update.log "${privilege[@]}" apt-get update
  elif ! "${privilege[@]}" apt-get update > build/apt-update.log 2>&1; then
    say "no package lists; going on without ${wanted[*]}"
    return
  fi
  local apt=("${privilege[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends)
  if [ ${#missing[@]} -gt 0 ]; then step "apt-get install" build/apt-install.log "${apt[@]}" "${missing[@]}"; fi
  for package in "${wanted[@]}"; do
    if ! "${apt[@]}" "$package" > "build/apt-install-$package.log" 2>&1; then
      say "$package could not be installed; going on without it"
    fi
  done
}

check_tools() {
  local version
  version=$(cmake --version | sed -n '1s/[^0-9]*\([0-9.]*\).*/\1/p')
  if [ "$(printf '3.25\n%s\n' "$version" | sort -V | head -n 1)" != 3.25 ]; then
    die "cmake $version is too old; 3.25 or newer is needed (Debian 12, Debian 13 and Ubuntu 24.04 have it)"
  fi
  if ! printf '#include <version>\n#ifndef __cpp_lib_jthread\n#error too old\n#endif\n' |
    "${CXX:-c++}" -std=c++20 -fsyntax-only -x c++ - 2> /dev/null; then
    die "$("${CXX:-c++}" --version | head -n 1) is too old; molmo needs C++20: g++ 12 or newer, or clang 16 or newer"
  fi
}

# Jobs: one per core, with 1.5 GB of memory each.
jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ { print int($2 / 1500000) }' /proc/meminfo 2> /dev/null || echo 1)
  if [ "${memory:-1}" -lt 1 ]; then memory=1; fi
  if [ "$memory" -lt "$cores" ]; then echo "$memory"; else echo "$cores"; fi
}

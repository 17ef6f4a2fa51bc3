#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One consumer project:   sh run.sh <case> <source folder of molmo> <its build folder> <work folder>
# Taken from the environment: CMAKE, CXX, GENERATOR, COMPONENTS (those whose package this machine has).
set -eu
case=$1
source=$2
build=$3
work=$4
here=$source/tests/consumer
prefix=$work/prefix

# A project of its own: configure, build, run.
project() {
  rm -rf "${work:?}/$case"
  if command -v ccache > /dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
  "$CMAKE" --no-warn-unused-cli -S "$here/$case" -B "$work/$case" -G "$GENERATOR" -DCMAKE_CXX_COMPILER="$CXX" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCOMPONENTS="$COMPONENTS" -DMOLMO_SOURCE_DIR="$source" > "$work/$case.log" || { cat "$work/$case.log"; exit 1; }
  "$CMAKE" --build "$work/$case"
  "$work/$case/program"
}

mkdir -p "$work"
case $case in
  install)
    # Installed in one place and moved to another: nothing may remember where it was.
    rm -rf "$work/first" "$prefix"
    "$CMAKE" --install "$build" --prefix "$work/first" --component molmo_development > "$work/install.log"
    mv "$work/first" "$prefix"
    if grep -rn -e "$source" -e "$work/first" "$prefix"; then
      echo "the installed package names the folder that it was made from"
      exit 1
    fi
    (cd "$source/include" && find molmo -name '*.hpp' -o -name '*.cuh') | LC_ALL=C sort > "$work/headers"
    (cd "$prefix/include" && find molmo -type f) | LC_ALL=C sort > "$work/installed"
    diff "$work/headers" "$work/installed" || { echo "the installed headers are not those of the tree"; exit 1; }
    ;;
  find_package)
    project
    grep -q 'find_package(molmo COMPONENTS xsimd ...)' "$work/$case.log" || { echo "nothing says that COMPONENTS are missing"; exit 1; }
    ;;
  components | add_subdirectory | fetch_content | two_units)
    project
    ;;
  pkg_config)
    command -v pkg-config > /dev/null || { echo "skipped: no pkg-config"; exit 77; }
    PKG_CONFIG_PATH=$prefix/share/pkgconfig
    export PKG_CONFIG_PATH
    # shellcheck disable=SC2046
    "$CXX" "$here/program.cpp" $(pkg-config --cflags --libs molmo) -o "$work/pkg_config"
    "$work/pkg_config"
    # A newer language, every warning an error, and molmo no system folder.
    # shellcheck disable=SC2046
    "$CXX" -fsyntax-only "$here/program.cpp" $(pkg-config --cflags molmo) -std=c++23 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
    for component in xsimd onednn eigen io; do
      case " $COMPONENTS " in
        *" $component "*) ;;
        *) continue ;;
      esac
      # shellcheck disable=SC2046
      "$CXX" "$here/program.cpp" $(pkg-config --cflags --libs "molmo-$component") -o "$work/pkg_config_$component"
      "$work/pkg_config_$component"
    done
    ;;
  archive)
    # The archive of a release: the same bytes again, whatever the user's settings are; complete; with its commit.
    [ -e "$source/.git" ] && command -v git > /dev/null && command -v gzip > /dev/null || { echo "skipped: no git checkout"; exit 77; }
    rm -rf "$work/archive"
    archive() { "$CMAKE" -D "source=$source" -D "output=$work/archive/$1" -P "$source/cmake/source_archive.cmake"; }
    archive one
    (umask 077 && TZ=Asia/Tokyo LC_ALL=C GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=tar.umask GIT_CONFIG_VALUE_0=user \
      GIT_CONFIG_KEY_1=core.autocrlf GIT_CONFIG_VALUE_1=true archive two)
    diff -r "$work/archive/one" "$work/archive/two" || { echo "the archive of one commit differs from time to time"; exit 1; }
    (cd "$work/archive/one" && sha256sum -c ./*.sha256 && tar -xzf ./*.tar.gz)
    cd "$work/archive/one"/molmo-*/
    (cd "$source" && git ls-tree -r --name-only HEAD) | LC_ALL=C sort > ../committed
    find . -type f | sed 's|^\./||' | LC_ALL=C sort > ../archived
    diff ../committed ../archived || { echo "the archive has other files than the commit"; exit 1; }
    "$CMAKE" -D "source=$PWD" -D "output=$PWD/../commit.hpp" -P cmake/commit.cmake
    # A repository that was itself made from an archive keeps the commit of that one.
    commit=$(git -C "$source" show HEAD:cmake/commit.txt)
    case $commit in *Format*) commit=$(git -C "$source" rev-parse HEAD) ;; esac
    grep -q "\"$(echo "$commit" | cut -c1-12)\"" ../commit.hpp ||
      { cat ../commit.hpp; echo "the archive does not know its commit"; exit 1; }
    "$CMAKE" -S . -B ../build -G "$GENERATOR" -DCMAKE_CXX_COMPILER="$CXX" -DMOLMO_BUILD_TESTS=OFF -DMOLMO_BUILD_TOOLS=OFF \
      -DMOLMO_BUILD_EXAMPLES=OFF -DMOLMO_BUILD_BENCHMARKS=OFF > ../configure.log || { cat ../configure.log; exit 1; }
    ;;
  fetch_deps)
    # MOLMO_FETCH_DEPS, without a network: other bytes than those that were pinned are refused, and what was downloaded is
    # no part of the installed package.
    rm -rf "$work/fetch_deps"
    mirror=$work/fetch_deps/mirror/nlohmann/json/archive/refs/tags
    mkdir -p "$mirror" "$work/fetch_deps/json/include/nlohmann"
    fetch() {
      "$CMAKE" -S "$source" -B "$work/fetch_deps/$1" -G "$GENERATOR" -DCMAKE_CXX_COMPILER="$CXX" -DMOLMO_FETCH_DEPS=ON -DMOLMO_CUDA=OFF \
        -DMOLMO_BUILD_TESTS=OFF -DMOLMO_BUILD_TOOLS=OFF -DMOLMO_BUILD_EXAMPLES=OFF -DMOLMO_BUILD_BENCHMARKS=OFF \
        -DFETCHCONTENT_TRY_FIND_PACKAGE_MODE=NEVER "$2" > "$work/fetch_deps/$1.log" 2>&1
    }
    (cd "$work/fetch_deps" && tar -czf "$mirror/v3.11.3.tar.gz" json)
    if fetch other "-DMOLMO_FETCH_FROM=file://$work/fetch_deps/mirror"; then
      echo "another archive than the pinned one was taken"
      exit 1
    fi
    grep -q "SHA256 hash" "$work/fetch_deps/other.log" || { cat "$work/fetch_deps/other.log"; exit 1; }
    printf '%s\n' 'add_library(nlohmann_json INTERFACE)' 'add_library(nlohmann_json::nlohmann_json ALIAS nlohmann_json)' \
      'target_include_directories(nlohmann_json INTERFACE include)' > "$work/fetch_deps/json/CMakeLists.txt"
    fetch unpacked "-DFETCHCONTENT_SOURCE_DIR_NLOHMANN_JSON=$work/fetch_deps/json" || { cat "$work/fetch_deps/unpacked.log"; exit 1; }
    "$CMAKE" --install "$work/fetch_deps/unpacked" --prefix "$work/fetch_deps/installed" > "$work/fetch_deps/install.log"
    if grep -rn "$work" "$work/fetch_deps/installed" || find "$work/fetch_deps/installed" -path '*nlohmann*' | grep .; then
      echo "the installed package has parts of what was downloaded"
      exit 1
    fi
    ;;
  hostile)
    "$CXX" -std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -I"$prefix/include" "$here/hostile/main.cpp" -pthread -o "$work/hostile"
    "$work/hostile"
    ;;
  broken_package)
    # An optional package that breaks is skipped with one line; one that was asked for is an error.
    rm -rf "${work:?}/$case"
    configure() {
      "$CMAKE" -S "$source" -B "$work/$case" -G "$GENERATOR" -DCMAKE_CXX_COMPILER="$CXX" "-Ddnnl_DIR=$here/$case" -DMOLMO_BUILD_TESTS=OFF \
        -DMOLMO_BUILD_TOOLS=OFF -DMOLMO_BUILD_EXAMPLES=OFF -DMOLMO_BUILD_BENCHMARKS=OFF "$@" > "$work/$case.log" 2>&1
    }
    configure || { cat "$work/$case.log"; echo "a broken package ends the configuration"; exit 1; }
    grep "molmo::onednn: skipped, the CMake file of dnnl fails: broken on purpose" "$work/$case.log" || { cat "$work/$case.log"; exit 1; }
    if configure -DMOLMO_ONEDNN=ON; then
      echo "MOLMO_ONEDNN=ON goes on without oneDNN"
      exit 1
    fi
    ;;
  *)
    echo "no consumer is called $case"
    exit 2
    ;;
esac

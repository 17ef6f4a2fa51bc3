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

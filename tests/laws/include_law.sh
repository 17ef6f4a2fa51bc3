#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The law of the house, for every header below <root>/molmo:   sh include_law.sh <root>
#
#   - a header includes its own floor's neighbours and lower floors, never up; core does not include formats
#   - in ops/, a meaning door includes no speed door, and no room includes another room's speed door
#   - third-party headers stand only in the headers of their component, system headers only in io, backend and bench
#   - no cycles; every included header exists; included as <molmo/...>
#   - an SPDX line first, #pragma once, at most 400 lines of at most 120 columns (raw strings excepted, and tables of
#     generated data, *_tables.hpp)
#   - no iostream, regex, functional or ranges; no assert, abort, exit, terminate or printf; throw only in core
#   - no name that a common system header defines as a macro: min( max( small near far interface I B0
#   - macros only in core/platform.hpp and version.hpp; another header may use one that it also #undefs
# Prints one line per breach and ends with status 1 if there is one.
set -eu
root=${1:?usage: include_law.sh <folder that holds molmo/>}
cd "$root"
find molmo -type f \( -name '*.hpp' -o -name '*.cuh' \) | LC_ALL=C sort | awk '
function breach(line, what) { printf "%s:%d: %s\n", file, line, what; breaches++ }
function floor_of(path,   parts, n) {
  if (path == "molmo/version.hpp") return 0
  n = split(path, parts, "/")
  if (n == 2) return 9                                   # molmo.hpp, cuda.cuh and other doors to everything
  if (!(parts[2] in floors)) return -1
  return floors[parts[2]]
}
function base(path,   parts, n) { n = split(path, parts, "/"); return parts[n] }
function room(path,   parts, n) { n = split(path, parts, "/"); return n >= 4 && parts[2] == "ops" ? parts[3] : "" }
function is_speed_door(path) { return room(path) != "" && base(path) ~ /^(cpu|onednn|eigen|thrust)[a-z0-9_]*\.hpp$|\.cuh$/ }
# Code only: comments and the insides of strings are blanked, so that words in prose are no breach.
function code_of(s,   out, c, d) {
  out = ""
  while (s != "") {
    if (in_comment) {
      c = index(s, "*/")
      if (!c) return out
      s = substr(s, c + 2); in_comment = 0; continue
    }
    c = substr(s, 1, 1); d = substr(s, 1, 2)
    if (d == "//") return out
    if (d == "/*") { in_comment = 1; s = substr(s, 3); continue }
    if (c == "\"") {
      s = substr(s, 2)
      while (s != "" && substr(s, 1, 1) != "\"") s = substr(s, substr(s, 1, 1) == "\\" ? 3 : 2)
      s = substr(s, 2); out = out "\"\""; continue
    }
    if (match(s, /^\047(\\.[^\047]*|[^\\\047])\047/)) { s = substr(s, RLENGTH + 1); out = out "0"; continue }
    out = out c; s = substr(s, 2)
  }
  return out
}
function has_word(s, word) { return (" " s " ") ~ ("[^A-Za-z0-9_]" word "[^A-Za-z0-9_]") }
function has_call(s, word) { return (" " s) ~ ("[^A-Za-z0-9_.>]" word "[ ]*[(]") }
# Names that <windows.h>, <complex.h> or <termios.h> define as macros; min and max take arguments there.
function check_hostile_names(line, code,   name) {
  for (name in hostile) if (has_word(code, name)) breach(line, "the name " name " is a macro in some system headers; choose another")
  if ((" " code) ~ /[^A-Za-z0-9_](min|max)[ ]*[(]/) breach(line, "min and max are macros in some system headers; write (std::max)(a, b)")
}
function only_in(line, library, where, allowed) {
  if (!allowed) breach(line, library " is included only in " where)
}
function check_include(line, target,   own, other) {
  if (target ~ /^molmo\//) {
    if (!(target in known)) { breach(line, "includes <" target ">, which does not exist"); return }
    edges[file] = edges[file] " " target
    own = floor_of(file); other = floor_of(target)
    if (other > own) breach(line, "includes up: floor " own " must not include <" target "> of floor " other)
    if (file ~ /^molmo\/core\// && target ~ /^molmo\/formats\//) breach(line, "core must not include formats: <" target ">")
    if (file ~ /^molmo\/io\// && target ~ /^molmo\/(ops|layers|models)\//) breach(line, "io knows no model words: <" target ">")
    if (room(file) != "" && is_speed_door(target)) {
      if (!is_speed_door(file)) breach(line, "a meaning door must not include a speed door: <" target ">")
      else if (room(file) != room(target)) breach(line, "a room must not include the speed door of another: <" target ">")
    }
    return
  }
  if (target ~ /^xsimd\//) only_in(line, "xsimd", "backend/{xsimd,lanes}*.hpp and ops/*/cpu*.hpp",
                                   file ~ /^molmo\/backend\/(xsimd|lanes)[a-z0-9_]*\.hpp$|^molmo\/ops\/[a-z0-9_]+\/cpu[a-z0-9_]*\.hpp$/)
  else if (target ~ /^(oneapi\/)?dnnl/) only_in(line, "oneDNN", "*onednn*.hpp", base(file) ~ /onednn[a-z0-9_]*\.hpp$/)
  else if (target ~ /^(unsupported\/)?Eigen\//) only_in(line, "Eigen", "*eigen*.hpp", base(file) ~ /eigen[a-z0-9_]*\.hpp$/)
  else if (target ~ /^nlohmann\//) only_in(line, "nlohmann/json", "io/json*.hpp", file ~ /^molmo\/io\/json[a-z0-9_]*\.hpp$/)
  else if (target ~ /^(cuda|cub\/|thrust\/|nv\/|cublas|cooperative_groups|mma\.h|nvtx3\/)/)
    only_in(line, "CUDA", "*.cuh", file ~ /\.cuh$/)
  else if (target ~ /^(iostream|regex|functional|ranges)$/) breach(line, "<" target "> is not for public headers")
  else if (target ~ /^[a-z_]+$/) return                  # the standard library
  else if (target ~ /^(sys\/[a-z]+|fcntl|unistd|sched|pthread|windows|linux\/[a-z]+|[a-z]+intrin|arm_neon)\.h$/)
    only_in(line, "the system header <" target ">", "io, backend and bench", file ~ /^molmo\/(io|backend|bench)\//)
  else breach(line, "includes <" target ">, a library that this house does not know")
}
BEGIN {
  split("core 0 formats 0 expr 1 backend 1 ops 2 layers 3 models 4 io 4 run 5 train 5 dist 5 bench 6", pairs, " ")
  for (i = 1; i in pairs; i += 2) floors[pairs[i]] = pairs[i + 1] + 0
  split("small near far interface I B0", words, " ")
  for (i in words) hostile[words[i]] = 1
  split("assert abort exit quick_exit _Exit terminate printf fprintf vprintf puts", calls, " ")
}
{ files[++count] = $0; known[$0] = 1 }
END {
  if (count == 0) { print "no headers found"; exit 1 }
  for (f = 1; f <= count; ++f) {
    file = files[f]; lines = 0; once = 0; in_comment = 0
    if (floor_of(file) < 0) breach(1, "stands in a folder that has no floor")
    while ((getline text < file) > 0) {
      ++lines
      if (lines == 1 && text != "// SPDX-License-Identifier: Apache-2.0") breach(1, "the first line is not the SPDX line")
      if (lines == 2 && text !~ /^\/\/ [^ ]/) breach(2, "the second line does not begin to say what this header is")
      if (text ~ /^#[ ]*pragma once/) once = 1
      if (text ~ /^[ ]*#[ ]*include[ ]*</) {
        target = text; sub(/^[^<]*</, "", target); sub(/>.*/, "", target)
        check_include(lines, target); continue
      }
      if (text ~ /^[ ]*#[ ]*include[ ]*"/) { breach(lines, "include as <molmo/...>, not in quotes"); continue }
      if (length(text) > 120 && text !~ /R"\(/ && file !~ /_tables\.hpp$/) breach(lines, "is longer than 120 columns")
      code = code_of(text)
      if (match(code, /^[ ]*#[ ]*define[ ]+[A-Za-z0-9_]+/)) {
        name = substr(code, 1, RLENGTH); sub(/.*[ ]/, "", name); macros[name] = lines
      }
      if (match(code, /^[ ]*#[ ]*undef[ ]+[A-Za-z0-9_]+/)) {
        name = substr(code, 1, RLENGTH); sub(/.*[ ]/, "", name); delete macros[name]
      }
      if (code ~ /std::(cout|cerr|clog|regex|basic_regex)/) breach(lines, "the library does not print and uses no std::regex")
      for (i in calls) if (has_call(code, calls[i])) breach(lines, "the library does not call " calls[i] "()")
      if (code !~ /^[ ]*#/) check_hostile_names(lines, code)
      if (has_word(code, "throw") && file !~ /^molmo\/core\//) breach(lines, "throw stands only in core")
    }
    close(file)
    for (name in macros) {
      if (file != "molmo/core/platform.hpp" && file != "molmo/version.hpp")
        breach(macros[name], "the macro " name " leaks; macros are for core/platform.hpp and version.hpp, elsewhere #undef them")
      delete macros[name]
    }
    if (!once) breach(1, "has no #pragma once")
    if (lines > 400 && file !~ /_tables\.hpp$/) breach(lines, "is longer than 400 lines; split it")
  }
  # A cycle is what remains when headers without unresolved includes are taken away again and again.
  for (left = count; left > 0; left = rest) {
    rest = 0
    for (f = 1; f <= count; ++f) {
      file = files[f]
      if (file in done) continue
      free = 1
      n = split(edges[file], targets, " ")
      for (i = 1; i <= n; ++i) if (targets[i] != file && !(targets[i] in done)) free = 0
      for (i = 1; i <= n; ++i) if (targets[i] == file) free = 0
      if (free) done[file] = 1; else ++rest
    }
    if (rest == left) {
      for (f = 1; f <= count; ++f) if (!(files[f] in done)) { file = files[f]; breach(1, "is part of, or includes, a cycle of includes") }
      break
    }
  }
  if (breaches) { printf "%d breaches of the law in %d headers\n", breaches, count; exit 1 }
  printf "%d headers keep the law\n", count
}'

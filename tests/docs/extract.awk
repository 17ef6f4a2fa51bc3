# SPDX-License-Identifier: Apache-2.0
# A page of docs/ -> one C++ program:   awk -f extract.awk page.md > page.cpp
#
# Every block ```cpp is compiled. Comments of HTML, which a reader does not see, say how:
#   <!-- cpp: global -->          the next block stands outside of functions (all these come first)
#   <!-- cpp: continued -->       the next block goes on where the one before it ended
#   <!-- cpp: refused REGEX -->   the next block must not compile; refused.sh looks at it, here it is left out
#   <!-- hidden: CODE -->         a line before the next block
#   <!-- check: EXPRESSION -->    must be true after the block above
# All other blocks are bodies of functions after `using namespace molmo;`, run in order.
# With -v refused=N: the program that holds the global blocks and the Nth refused block only.
function line_of() { return "#line " (FNR + 1) " \"" FILENAME "\"\n" }
function close_part() { if (open_part) { bodies = bodies "}\n"; open_part = 0 } }
BEGIN { refused += 0 }
/^<!-- cpp: / {
  kind = $3
  next
}
/^<!-- hidden: / {
  code = $0
  sub(/^<!-- hidden: /, "", code)
  sub(/ -->$/, "", code)
  hidden = hidden "#line " FNR " \"" FILENAME "\"\n" code "\n"
  next
}
/^<!-- check: / {
  code = $0
  sub(/^<!-- check: /, "", code)
  sub(/ -->$/, "", code)
  text = code
  gsub(/\\/, "\\\\", text)
  gsub(/"/, "\\\"", text)
  if (!refused) {
    if (!open_part) { print FILENAME ":" FNR ": a check without a block above it" > "/dev/stderr"; exit 1 }
    bodies = bodies "#line " FNR " \"" FILENAME "\"\ncheck(" code ", \"" FILENAME ":" FNR ": " text "\");\n"
    checks++
  }
  next
}
/^```cpp$/ {
  in_block = 1
  wanted = 1
  if (kind == "global") {
    into = "globals"
  } else {
    into = "bodies"
    if (kind == "refused") {
      wanted = ++refusals == refused
    } else {
      wanted = !refused
    }
    if (wanted && !(kind == "continued" && open_part)) {
      close_part()
      bodies = bodies "void part_" ++parts "() {\nusing namespace molmo;\n"
      open_part = 1
    }
    if (wanted) bodies = bodies hidden
    hidden = ""
  }
  if (wanted && into == "globals") globals = globals line_of()
  if (wanted && into == "bodies") bodies = bodies line_of()
  kind = ""
  next
}
/^```$/ && in_block {
  in_block = 0
  next
}
in_block && wanted {
  if (into == "globals") globals = globals $0 "\n"
  else bodies = bodies $0 "\n"
}
END {
  close_part()
  print "// Made from " FILENAME " by tests/docs/extract.awk."
  print "#include <cstdio>"
  print globals
  print "namespace {"
  print "int failures = 0;"
  print "[[maybe_unused]] void check(bool holds, const char* what) {"
  print "  if (holds) return;"
  print "  ++failures;"
  print "  std::printf(\"not true: %s\\n\", what);"
  print "}"
  print bodies
  print "}  // namespace"
  print "int main() {"
  for (i = 1; i <= parts; i++) print "part_" i "();"
  print "std::printf(\"%d blocks, %d checks, %d failures\\n\", " parts + 0 ", " checks + 0 ", failures);"
  print "return failures == 0 ? 0 : 1;"
  print "}"
}

# SPDX-License-Identifier: Apache-2.0
# cmake -D program=P -D "arguments=a;b" -D field=F -D out=FILE -P json_test.cmake: fails unless P ends well and prints a
# JSON array whose last element has the field F.
execute_process(COMMAND "${program}" ${arguments} --json OUTPUT_VARIABLE text ERROR_VARIABLE errors RESULT_VARIABLE code)
if(NOT code EQUAL 0)
  message(FATAL_ERROR "${program} ends with ${code}: ${errors}")
endif()
string(JSON count ERROR_VARIABLE problem LENGTH "${text}")
if(problem OR count LESS 1)
  message(FATAL_ERROR "${program} prints no JSON array: ${problem}\n${text}")
endif()
# CMake's reader forgives these two.
if(text MATCHES ",[ \n]*[]}]" OR NOT text MATCHES "^[[].*[]]\n$")
  message(FATAL_ERROR "${program} prints an array that ends wrongly:\n${text}")
endif()
math(EXPR last "${count} - 1")
string(JSON value ERROR_VARIABLE problem GET "${text}" ${last} "${field}")
if(problem)
  message(FATAL_ERROR "${program}: ${problem}\n${text}")
endif()

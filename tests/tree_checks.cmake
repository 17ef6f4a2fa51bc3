# SPDX-License-Identifier: Apache-2.0
# Checks of the tree itself. They need no Catch2; most of them call the compiler on files of their own.
if(NOT MOLMO_TEST_TREE_CHECKS)
  return()
endif()

# laws: who may include whom, and what a header may say.
add_test(NAME laws.include COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/laws/include_law.sh" "${PROJECT_SOURCE_DIR}/include")
add_test(NAME laws.self_test COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/laws/self_test.sh")
add_test(NAME laws.no_third_party COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/laws/no_third_party.sh"
         "${CMAKE_CXX_COMPILER}" "${PROJECT_SOURCE_DIR}/include")
add_test(NAME laws.ci_presets COMMAND sh "${CMAKE_CURRENT_SOURCE_DIR}/laws/ci_presets.sh" "${PROJECT_SOURCE_DIR}")
set_tests_properties(laws.include laws.self_test laws.no_third_party laws.ci_presets
                     PROPERTIES LABELS laws TIMEOUT ${MOLMO_TEST_PATIENCE})

add_subdirectory(header_alone)
add_subdirectory(must_not_compile)
add_subdirectory(consumer)
add_subdirectory(budget)
add_subdirectory(docs)

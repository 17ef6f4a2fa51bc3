# SPDX-License-Identifier: Apache-2.0
# The installed package: headers, one export set per component, a version file, pkg-config files.
if(NOT MOLMO_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)

set(molmo_cmake_dir "${CMAKE_INSTALL_DATADIR}/cmake/molmo")
set(molmo_pc_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

install(TARGETS molmo_molmo EXPORT molmo-targets FILE_SET HEADERS COMPONENT molmo_development)
install(EXPORT molmo-targets NAMESPACE molmo:: DESTINATION "${molmo_cmake_dir}" COMPONENT molmo_development)
foreach(component IN LISTS MOLMO_COMPONENTS)
  install(TARGETS molmo_${component} EXPORT molmo-${component}-targets COMPONENT molmo_development)
  install(EXPORT molmo-${component}-targets NAMESPACE molmo:: DESTINATION "${molmo_cmake_dir}"
          COMPONENT molmo_development)
endforeach()

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/molmo-config.cmake.in"
  "${PROJECT_BINARY_DIR}/molmo-config.cmake" INSTALL_DESTINATION "${molmo_cmake_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/molmo-config-version.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/molmo-config.cmake" "${PROJECT_BINARY_DIR}/molmo-config-version.cmake"
        DESTINATION "${molmo_cmake_dir}" COMPONENT molmo_development)

# pkg-config: molmo.pc stands alone, the others require it and their package. The prefix is found from where the file
# lies, so an installed tree can be moved.
file(RELATIVE_PATH molmo_pc_up "/prefix/${molmo_pc_dir}" "/prefix")
string(REGEX REPLACE "/$" "" molmo_pc_up "${molmo_pc_up}")
function(molmo_pkg_config name description requires cflags libs)
  set(pc_name "${name}")
  set(pc_description "${description}")
  set(pc_requires "${requires}")
  set(pc_cflags "${cflags}")
  set(pc_libs "${libs}")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/molmo.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${molmo_pc_dir}" COMPONENT molmo_development)
endfunction()
molmo_pkg_config(molmo "${PROJECT_DESCRIPTION}" "" "-I\${includedir} -std=c++20 -pthread" "-pthread")
molmo_pkg_config(molmo-xsimd "molmo with SIMD lanes by xsimd" "molmo xsimd >= 8.1" "" "")
molmo_pkg_config(molmo-onednn "molmo with matrix products by oneDNN" "molmo" "" "-ldnnl")  # Debian ships no dnnl.pc
molmo_pkg_config(molmo-eigen "molmo with Eigen interop" "molmo eigen3 >= 3.4" "" "")
molmo_pkg_config(molmo-io "molmo with checkpoint and tokenizer files" "molmo nlohmann_json >= 3.11" "" "")

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/THIRD_PARTY.md"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/molmo" COMPONENT molmo_development)

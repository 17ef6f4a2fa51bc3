# SPDX-License-Identifier: Apache-2.0
# The targets. molmo::molmo needs a C++20 compiler and threads; each other target adds one package to it:
#
#   molmo::xsimd   SIMD lanes              backend/xsimd.hpp, ops/*/cpu.hpp
#   molmo::onednn  dense f32 matmul        onednn.hpp (with cpu.hpp: needs molmo::xsimd too)
#   molmo::eigen   interop and fallback    eigen.hpp
#   molmo::io      JSON                    io/json.hpp and the headers above it
#   molmo::cuda    CUDA runtime            *.cuh
#
# All headers are installed always. A target molmo_<component> exists always, so that the installed package offers every
# component whatever was on the machine that made it; the alias molmo::<component> exists where the package was found.

# Imported targets are found here and used in the directory above, where molmo is a subproject.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

file(GLOB_RECURSE molmo_headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/molmo/*.hpp"
     "${PROJECT_SOURCE_DIR}/include/molmo/*.cuh")

add_library(molmo_molmo INTERFACE)
add_library(molmo::molmo ALIAS molmo_molmo)
set_target_properties(molmo_molmo PROPERTIES EXPORT_NAME molmo)
target_compile_features(molmo_molmo INTERFACE cxx_std_20)
target_link_libraries(molmo_molmo INTERFACE Threads::Threads)
target_sources(molmo_molmo INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${molmo_headers})

# Optional packages for our own tools and tests, from the system or, when asked, from their repositories.
if(MOLMO_FETCH_DEPS)
  include(fetch_deps)
endif()

set(MOLMO_COMPONENTS xsimd onednn eigen io cuda)
foreach(component IN LISTS MOLMO_COMPONENTS)
  add_library(molmo_${component} INTERFACE)
  set_target_properties(molmo_${component} PROPERTIES EXPORT_NAME ${component})
  target_link_libraries(molmo_${component} INTERFACE molmo_molmo)
endforeach()

# Only the include directory: the xsimd target of Debian 12 also links "xtl", which no one has found for it.
target_include_directories(molmo_xsimd SYSTEM INTERFACE $<TARGET_PROPERTY:xsimd,INTERFACE_INCLUDE_DIRECTORIES>)
target_link_libraries(molmo_onednn INTERFACE DNNL::dnnl)
target_link_libraries(molmo_eigen INTERFACE Eigen3::Eigen)
# In two halves, since a downloaded nlohmann_json (MOLMO_FETCH_DEPS) cannot be exported with us; and with an expression
# in the name for the installed half, since CMake would look for the plain one among the targets of this build.
target_link_libraries(molmo_io INTERFACE $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>
                                         "$<INSTALL_INTERFACE:nlohmann_json$<1:::>nlohmann_json>")
target_link_libraries(molmo_cuda INTERFACE CUDA::cudart)
# std::bit_cast and friends are constexpr host functions. CMake < 3.26 does not know C++20 for nvcc, so the flag is
# spelled out unless the target has a CUDA_STANDARD of its own.
target_compile_options(molmo_cuda INTERFACE
  "$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:--expt-relaxed-constexpr>"
  "$<$<AND:$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>,$<NOT:$<BOOL:$<TARGET_PROPERTY:CUDA_STANDARD>>>>:-std=c++20>")

set(MOLMO_AVAILABLE "")  # components whose package was found

# Packages that would end this configuration are found out first: of the components that may be left out, and of our own
# programs.
include(probe)
set(molmo_probed "")
foreach(pair IN ITEMS XSIMD:xsimd ONEDNN:dnnl EIGEN:Eigen3 IO:nlohmann_json CUDA:CUDAToolkit)
  string(REGEX MATCH "^(.*):(.*)$" pair "${pair}")
  if(MOLMO_${CMAKE_MATCH_1} STREQUAL "AUTO")
    list(APPEND molmo_probed "${CMAKE_MATCH_2}")
  endif()
endforeach()
if(PROJECT_IS_TOP_LEVEL)
  list(APPEND molmo_probed fmt CLI11 Catch2)
endif()
molmo_probe(${molmo_probed})

# molmo_component(<component> <package> <target that the package must define> <Debian package> [<least version>])
function(molmo_component component package target debian)
  string(TOUPPER "${component}" upper)
  set(wanted "${MOLMO_${upper}}")
  if(wanted STREQUAL "OFF" OR (NOT wanted STREQUAL "AUTO" AND NOT wanted))
    set(found FALSE)
    set(why "switched off by MOLMO_${upper}=OFF")
  else()
    if(NOT TARGET ${target})
      molmo_find_package(${package})
    endif()
    set(found FALSE)
    set(why "not found; on Debian and Ubuntu: apt install ${debian}")
    if(MOLMO_BROKEN_${package})
      set(why "the CMake file of ${package} fails: ${MOLMO_BROKEN_${package}}; on Debian and Ubuntu: apt install ${debian}")
    endif()
    if(TARGET ${target})
      set(found TRUE)
      # Compared here and not by find_package: Eigen 5 refuses a request for 3.4, and 3.4.0 has no range support.
      if(ARGC GREATER 4 AND ${package}_VERSION AND ${package}_VERSION VERSION_LESS "${ARGV4}")
        set(found FALSE)
        set(why "${package} ${${package}_VERSION} is older than ${ARGV4}")
      endif()
    endif()
    if(NOT found AND NOT wanted STREQUAL "AUTO")
      message(FATAL_ERROR "molmo: MOLMO_${upper}=${wanted}, but ${package}: ${why}")
    endif()
  endif()
  if(found)
    add_library(molmo::${component} ALIAS molmo_${component})
    list(APPEND MOLMO_AVAILABLE ${component})
    set(MOLMO_AVAILABLE "${MOLMO_AVAILABLE}" PARENT_SCOPE)
    if(PROJECT_IS_TOP_LEVEL)
      message(STATUS "molmo::${component}: ${package} ${${package}_VERSION}")
    endif()
  elseif(PROJECT_IS_TOP_LEVEL)
    message(STATUS "molmo::${component}: skipped, ${why}")
  endif()
endfunction()

molmo_component(xsimd xsimd xsimd libxsimd-dev 8.1)
molmo_component(onednn dnnl DNNL::dnnl "libdnnl-dev ocl-icd-opencl-dev" 2.6)
molmo_component(eigen Eigen3 Eigen3::Eigen libeigen3-dev 3.4)
molmo_component(io nlohmann_json nlohmann_json::nlohmann_json nlohmann-json3-dev 3.11)
molmo_component(cuda CUDAToolkit CUDA::cudart nvidia-cuda-toolkit 12.4)

# MOLMO_CUDA=ON: .cu files are compiled too. Set CMAKE_CUDA_ARCHITECTURES for other GPUs.
if(MOLMO_CUDA STREQUAL "ON" AND PROJECT_IS_TOP_LEVEL)
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90)
  endif()
  enable_language(CUDA)
endif()

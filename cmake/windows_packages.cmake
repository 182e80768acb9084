# Gives a build for Windows the packages of the build machine that are headers or sources: nlohmann-json, CLI11 and
# GoogleTest. Their headers are linked into the build directory, since the build machine's own headers lie beside them.

set(GGML_SCHED_HOST_INCLUDE /usr/include CACHE PATH "Where the build machine has CLI and nlohmann")
set(GGML_SCHED_GTEST_SOURCE /usr/src/googletest CACHE PATH "GoogleTest's sources, of Debian's package googletest")

set(linked ${PROJECT_BINARY_DIR}/headers)
file(MAKE_DIRECTORY ${linked})
foreach(name CLI nlohmann)
    if(NOT EXISTS ${GGML_SCHED_HOST_INCLUDE}/${name})
        message(FATAL_ERROR "ggml-sched: ${GGML_SCHED_HOST_INCLUDE}/${name} does not exist; set GGML_SCHED_HOST_INCLUDE")
    endif()
    file(CREATE_LINK ${GGML_SCHED_HOST_INCLUDE}/${name} ${linked}/${name} SYMBOLIC)
endforeach()
foreach(target CLI11::CLI11 nlohmann_json::nlohmann_json)
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} SYSTEM INTERFACE ${linked})
endforeach()
set(CLI11_FOUND ON)
set(nlohmann_json_FOUND ON)
# find_package() finds these targets.
foreach(name CLI11 nlohmann_json GTest)
    file(WRITE ${PROJECT_BINARY_DIR}/packages/${name}Config.cmake "set(${name}_FOUND ON)\n")
    set(${name}_DIR ${PROJECT_BINARY_DIR}/packages CACHE PATH "" FORCE)
endforeach()

if(GGML_SCHED_TESTS)
    set(INSTALL_GTEST OFF CACHE BOOL "" FORCE)
    set(BUILD_GMOCK OFF CACHE BOOL "" FORCE)
    set(gtest_disable_pthreads OFF CACHE BOOL "" FORCE)
    add_subdirectory(${GGML_SCHED_GTEST_SOURCE} ${PROJECT_BINARY_DIR}/googletest EXCLUDE_FROM_ALL SYSTEM)
endif()

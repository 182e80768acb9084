# Says what `cmake --install` puts where. Names are our own, so that nothing hides a ggml of the system. Tools are
# installed if they were built. For the rest, `cmake --build b --target ggml-sched` suffices.
#
#   include/ggml-sched/*.h      lib/libggml-sched.{a,so}     lib/pkgconfig/ggml-sched.pc
#   lib/cmake/ggml-sched/*      share/doc/ggml-sched/        bin/sched-run and share/ggml-sched/ (examples/sched-run)
#   share/ggml-sched/drop-in/   what cmake/ggml-sched-inject.cmake builds into a foreign ggml

option(GGML_SCHED_INSTALL "Generate the install target" ${PROJECT_IS_TOP_LEVEL})

# A shared library exports only the public functions. GGML_API makes them visible. The list hides inline functions of
# the C++ library, which the compiler emits as well.
if(BUILD_SHARED_LIBS AND UNIX AND NOT APPLE)
    set(exported_symbols ${CMAKE_CURRENT_LIST_DIR}/exported_symbols.map)
    target_link_options(ggml-sched PRIVATE LINKER:--version-script=${exported_symbols} LINKER:--no-undefined)
    set_property(TARGET ggml-sched APPEND PROPERTY LINK_DEPENDS ${exported_symbols})
endif()

if(NOT GGML_SCHED_INSTALL)
    return()
endif()

include(CMakePackageConfigHelpers)

install(TARGETS ggml-sched EXPORT ggml-sched-targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# The header of a backend is installed only with the backend, so that a program can ask for it by __has_include.
set(absent_headers)
if(NOT GGML_SCHED_CUDA)
    list(APPEND absent_headers PATTERN ggml-cuda.h EXCLUDE)
endif()
if(NOT GGML_SCHED_HIP AND NOT GGML_SCHED_HIP_ON_CUDA)
    list(APPEND absent_headers PATTERN ggml-hip.h EXCLUDE)
endif()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ggml-sched
    FILES_MATCHING PATTERN "*.h" ${absent_headers})
# A backend outside of the tree implements this interface: see examples/null-backend.
install(FILES ${PROJECT_SOURCE_DIR}/src/core/ggml-backend-impl.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/ggml-sched)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET sched-run AND UNIX AND NOT APPLE)
    file(RELATIVE_PATH lib_from_bin /prefix/${CMAKE_INSTALL_BINDIR} /prefix/${CMAKE_INSTALL_LIBDIR})
    set_target_properties(sched-run PROPERTIES INSTALL_RPATH "$ORIGIN/${lib_from_bin}")
endif()

# A C program that is linked with the static library needs the C++ library, too.
set(GGML_SCHED_CXX_LIBRARIES ${CMAKE_CXX_IMPLICIT_LINK_LIBRARIES})
list(REMOVE_ITEM GGML_SCHED_CXX_LIBRARIES ${CMAKE_C_IMPLICIT_LINK_LIBRARIES})
list(REMOVE_DUPLICATES GGML_SCHED_CXX_LIBRARIES)

set(GGML_SCHED_NEEDS_CUDA OFF)
if(GGML_SCHED_CUDA OR GGML_SCHED_HIP_ON_CUDA)
    set(GGML_SCHED_NEEDS_CUDA ON)
endif()

# These files are for find_package(ggml-sched). Before 1.0 a minor version may be incompatible with the one before.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ggml-sched)
install(EXPORT ggml-sched-targets NAMESPACE ggml-sched:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/ggml-sched-config.cmake.in
    ${PROJECT_BINARY_DIR}/ggml-sched-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/ggml-sched-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/ggml-sched-config.cmake ${PROJECT_BINARY_DIR}/ggml-sched-config-version.cmake
    DESTINATION ${package_dir})

# This file is for pkg-config. Its paths are relative to its own place, so `cmake --install --prefix` and moving the
# tree both work.
file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
set(pc_libdir "\${prefix}")
set(pc_includedir "\${prefix}")
cmake_path(APPEND pc_libdir "${CMAKE_INSTALL_LIBDIR}") # an absolute path replaces the prefix
cmake_path(APPEND pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
list(TRANSFORM GGML_SCHED_CXX_LIBRARIES PREPEND "-l" OUTPUT_VARIABLE pc_library_needs)
list(APPEND pc_library_needs ${CMAKE_THREAD_LIBS_INIT} -pthread)
if(GGML_SCHED_CUDA OR GGML_SCHED_HIP_ON_CUDA)
    list(APPEND pc_library_needs ${CUDA_cudart_static_LIBRARY} -lrt -ldl)
endif()
if(GGML_SCHED_HIP AND NOT GGML_SCHED_HIP_ON_CUDA)
    list(APPEND pc_library_needs ${GGML_SCHED_HIP_LIBRARY} -ldl)
endif()
list(JOIN pc_library_needs " " pc_library_needs)
string(REGEX REPLACE "/$" "" pc_to_prefix ${pc_to_prefix})
set(pc_cflags "")
set(pc_static_libs "")
if(BUILD_SHARED_LIBS)
    set(pc_cflags " -DGGML_SHARED")
else() # Only the static library is installed, so its users need these libraries also without pkg-config's --static.
    set(pc_static_libs " ${pc_library_needs}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/ggml-sched.pc.in ${PROJECT_BINARY_DIR}/ggml-sched.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/ggml-sched.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The drop-in for a foreign ggml has our sources in the folders that they have here. It compiles them with that ggml's
# headers.
set(drop_in_dir ${CMAKE_INSTALL_DATADIR}/ggml-sched/drop-in)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/ggml-sched-inject.cmake ${CMAKE_CURRENT_LIST_DIR}/ggml-sched-detect.cmake
    ${CMAKE_CURRENT_LIST_DIR}/ggml-sched-forward.cmake
    DESTINATION ${drop_in_dir}/cmake)
install(FILES ${PROJECT_SOURCE_DIR}/include/ggml-sched.h DESTINATION ${drop_in_dir}/include)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/sched ${PROJECT_SOURCE_DIR}/src/dropin DESTINATION ${drop_in_dir}/src
    FILES_MATCHING PATTERN "*.h" PATTERN "*.cpp")

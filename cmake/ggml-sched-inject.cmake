# Puts this scheduler into a ggml that somebody else builds, and changes no file of it:
#
#   cmake -DCMAKE_PROJECT_ggml_INCLUDE=<this file> ...        for anything that contains ggml's project("ggml")
#
# CMake reads the file directly behind project("ggml"). The work is deferred to the end of ggml's CMakeLists.txt, when
# ggml's targets exist. It adds our sources to ggml-base, and renames the functions of ggml's own scheduler in the file
# that defines them. The library then has both schedulers. src/dropin picks one when a scheduler is made
# (GGML_SCHED=ours|stock). ggml-sched-forward.cmake passes functions that we do not have on to ggml's scheduler.
#
# ggml-sched-detect.cmake tells versions of ggml apart. docs/drop-in.md is for users.

if(CMAKE_VERSION VERSION_LESS 3.19)
    message(FATAL_ERROR "ggml-sched: the drop-in needs CMake 3.19 or newer; this is CMake ${CMAKE_VERSION}.")
endif()

set(GGML_SCHED_ELSE "Build without CMAKE_PROJECT_ggml_INCLUDE")
include(${CMAKE_CURRENT_LIST_DIR}/ggml-sched-detect.cmake)

function(ggml_sched_inject ggml)
    if(NOT TARGET ggml-base)
        message(FATAL_ERROR "ggml-sched: ${ggml} has no target ggml-base; the drop-in needs ggml of November 2025 or "
            "newer. ${GGML_SCHED_ELSE}.")
    endif()
    if(EXISTS ${ggml}/src/ggml-sched/stock.h)
        message(FATAL_ERROR "ggml-sched: `ggml-sched patch` has added ggml-sched to ${ggml} already. Take it out by "
            "`ggml-sched patch --undo`, or build without CMAKE_PROJECT_ggml_INCLUDE.")
    endif()
    ggml_sched_detect(${ggml}/include ${ggml}/src ${CMAKE_CURRENT_BINARY_DIR}/ggml-sched-forwarders.cpp)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
        ${ggml}/include/ggml-backend.h ${ggml}/src/ggml-backend.cpp)

    # Our other headers have the names of ggml's, so this one is copied to a folder of its own.
    set(include_dir ${CMAKE_CURRENT_BINARY_DIR}/ggml-sched)
    configure_file(${GGML_SCHED_ROOT}/include/ggml-sched.h ${include_dir}/ggml-sched.h COPYONLY)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${GGML_SCHED_ROOT}/src/sched/*.cpp)

    # Our sources are compiled with the flags of ggml-base. The library hides functions that only our sources call.
    add_library(ggml-sched-objects OBJECT ${sources} ${ggml_sched_choice})
    target_compile_features(ggml-sched-objects PRIVATE cxx_std_17)
    target_include_directories(ggml-sched-objects PRIVATE
        ${GGML_SCHED_ROOT}/src/sched ${GGML_SCHED_ROOT}/src/dropin ${include_dir}
        $<TARGET_PROPERTY:ggml-base,INCLUDE_DIRECTORIES>)
    target_compile_definitions(ggml-sched-objects PRIVATE
        ${ggml_sched_features} $<TARGET_PROPERTY:ggml-base,COMPILE_DEFINITIONS>)
    get_target_property(position_independent ggml-base POSITION_INDEPENDENT_CODE)
    set_target_properties(ggml-sched-objects PROPERTIES
        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
        POSITION_INDEPENDENT_CODE ${position_independent})
    set_property(SOURCE ${GGML_SCHED_ROOT}/src/sched/capi.cpp APPEND PROPERTY COMPILE_DEFINITIONS ${ggml_sched_our_names})
    set_property(SOURCE ${ggml}/src/ggml-backend.cpp TARGET_DIRECTORY ggml-base APPEND PROPERTY
        COMPILE_DEFINITIONS ${ggml_sched_stock_names})

    target_sources(ggml-base PRIVATE $<TARGET_OBJECTS:ggml-sched-objects>)
    target_include_directories(ggml-base PUBLIC $<BUILD_INTERFACE:${include_dir}>)
    include(GNUInstallDirs)
    install(FILES ${GGML_SCHED_ROOT}/include/ggml-sched.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    message(STATUS "ggml-sched: added to ggml-base; GGML_SCHED=stock in the environment chooses ggml's own scheduler")

    if(GGML_SCHED_PARITY) # The installed drop-in does not have these tests.
        include(${GGML_SCHED_ROOT}/tests/parity/parity.cmake) # A deferred call cannot add a folder.
    endif()
endfunction()

cmake_language(EVAL CODE "cmake_language(DEFER CALL ggml_sched_inject [[${CMAKE_CURRENT_SOURCE_DIR}]])")

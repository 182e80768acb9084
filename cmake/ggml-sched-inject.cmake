# Puts this scheduler into a ggml that somebody else builds, and changes no file of it:
#
#   cmake -DCMAKE_PROJECT_ggml_INCLUDE=<this file> ...        for anything that contains ggml's project("ggml")
#
# CMake reads the file directly behind project("ggml"). The work is deferred to the end of ggml's CMakeLists.txt, when
# ggml's targets exist. It adds our sources to ggml-base, and renames the functions of ggml's own scheduler in the file
# that defines them. The library then has both schedulers. src/dropin picks one when a scheduler is made
# (GGML_SCHED=ours|stock). ggml-sched-forward.cmake passes functions that we do not have on to ggml's scheduler.
#
# The file tells versions of ggml apart by what their headers declare. docs/drop-in.md is for users.

if(CMAKE_VERSION VERSION_LESS 3.19)
    message(FATAL_ERROR "ggml-sched: the drop-in needs CMake 3.19 or newer; this is CMake ${CMAKE_VERSION}.")
endif()

get_filename_component(GGML_SCHED_ROOT ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)

include(${CMAKE_CURRENT_LIST_DIR}/ggml-sched-forward.cmake)

# Sets `result` to true if the text of the file matches.
function(ggml_sched_file_has file regex result)
    file(READ ${file} text)
    string(REGEX MATCH "${regex}" found "${text}")
    if(found)
        set(${result} TRUE PARENT_SCOPE)
    else()
        set(${result} FALSE PARENT_SCOPE)
    endif()
endfunction()

# Sets `late` to the functions that not every ggml has, and that this ggml has with the types that we know. Sets
# `unknown` to the functions of this ggml that we do not have. Stops the configuration if this ggml lacks a function of
# every ggml.
function(ggml_sched_check_functions header statements declared late unknown)
    set(required
        new free reserve get_n_backends get_backend get_n_splits get_n_copies get_buffer_size set_tensor_backend
        get_tensor_backend alloc_graph graph_compute graph_compute_async synchronize reset set_eval_callback)
    set(missing ${required})
    list(REMOVE_ITEM missing ${declared})
    if(missing)
        list(JOIN missing ", ggml_backend_sched_" names)
        message(FATAL_ERROR "ggml-sched: this ggml is too old for the drop-in: ${header} does not declare "
            "ggml_backend_sched_${names}. Build without CMAKE_PROJECT_ggml_INCLUDE, or with a newer ggml.")
    endif()
    ggml_sched_file_has(${header} "ggml_backend_sched_new\\([^;]*bool op_offload\\)" has_op_offload)
    if(NOT has_op_offload)
        message(FATAL_ERROR "ggml-sched: this ggml is too old for the drop-in: in ${header} ggml_backend_sched_new has "
            "no parameter op_offload. Build without CMAKE_PROJECT_ggml_INCLUDE, or with a newer ggml.")
    endif()

    set(known reserve_size get_buffer_type split_graph)
    set(copy_callback_types
        "ggml_backend_t;const struct ggml_tensor \\*;struct ggml_tensor \\*;struct ggml_cgraph \\*;void \\*")
    ggml_sched_takes_callback("${statements}" ggml_backend_sched_set_copy_callback bool "${copy_callback_types}"
        has_copy)
    if(has_copy)
        list(APPEND known set_copy_callback)
    endif()
    set(realloc_callback_types
        "(ggml_backend_sched_t|struct ggml_backend_sched \\*);(const )?struct ggml_cgraph \\*;bool;bool;void \\*")
    ggml_sched_takes_callback("${statements}" ggml_backend_sched_set_realloc_callback void "${realloc_callback_types}"
        has_realloc)
    if(has_realloc)
        list(APPEND known set_realloc_callback)
    endif()

    set(declared_late ${declared})
    list(REMOVE_ITEM declared_late ${required})
    set(declared_unknown ${declared_late})
    list(REMOVE_ITEM declared_unknown ${known})
    list(REMOVE_ITEM declared_late ${declared_unknown} "")
    set(${late} "${declared_late}" PARENT_SCOPE)
    set(${unknown} "${declared_unknown}" PARENT_SCOPE)
endfunction()

# Sets `result` to the sources that pass the unknown functions on to ggml's scheduler, and writes one of these sources.
function(ggml_sched_pass_on ggml unknown result)
    set(${result} "" PARENT_SCOPE)
    if(unknown STREQUAL "")
        return()
    endif()
    foreach(function IN LISTS unknown)
        ggml_sched_file_has(${ggml}/src/ggml-backend.cpp "ggml_backend_sched_${function} *\\(" is_defined)
        if(NOT is_defined)
            message(FATAL_ERROR "ggml-sched: ${ggml}/src/ggml-backend.cpp does not define "
                "ggml_backend_sched_${function}, which ${ggml}/include/ggml-backend.h declares. Build without "
                "CMAKE_PROJECT_ggml_INCLUDE.")
        endif()
    endforeach()
    set(forwarders ${CMAKE_CURRENT_BINARY_DIR}/ggml-sched-forwarders.cpp)
    ggml_sched_write_forwarders(${ggml}/include/ggml-backend.h "${unknown}" ${forwarders})
    list(JOIN unknown ", ggml_backend_sched_" names)
    message(STATUS "ggml-sched: a scheduler becomes ggml's own when one of these functions is called on it: "
        "ggml_backend_sched_${names}")
    set(${result}
        ${GGML_SCHED_ROOT}/src/dropin/forward.cpp ${GGML_SCHED_ROOT}/src/dropin/become_stock.cpp
        ${GGML_SCHED_ROOT}/src/dropin/reserved.cpp ${GGML_SCHED_ROOT}/src/dropin/saved_graph.cpp
        ${forwarders} PARENT_SCOPE)
endfunction()

# Sets `result` to compile definitions that say what this ggml has. Only src/sched/host reads them.
function(ggml_sched_find_features ggml result)
    set(features GGML_SCHED_DROP_IN=1)
    ggml_sched_file_has(${ggml}/src/ggml-impl.h "ggml_graph_next_uid" has_uid)
    if(has_uid)
        list(APPEND features GGML_SCHED_HAS_GRAPH_UID=1)
    endif()

    ggml_sched_file_has(${ggml}/src/ggml-impl.h "ggml_op_can_inplace" has_op_can_inplace)
    if(has_op_can_inplace)
        list(APPEND features GGML_SCHED_HAS_OP_CAN_INPLACE=1)
    endif()

    set(impl ${ggml}/src/ggml-backend-impl.h)
    set(graph_optimize "\\(\\*graph_optimize\\) *\\(ggml_backend_t backend, struct ggml_cgraph \\* cgraph")
    ggml_sched_file_has(${impl} "${graph_optimize}\\)" optimizes)
    ggml_sched_file_has(${impl} "${graph_optimize}, struct ggml_backend_graph_optimize_params \\* params\\)"
        optimizes_with_params)
    ggml_sched_file_has(${impl} "\\(\\*graph_optimize\\)" has_hook)
    if(optimizes_with_params)
        list(APPEND features GGML_SCHED_HAS_GRAPH_OPTIMIZE=2)
    elseif(optimizes)
        list(APPEND features GGML_SCHED_HAS_GRAPH_OPTIMIZE=1)
    elseif(has_hook)
        message(FATAL_ERROR "ggml-sched: ${impl} declares graph_optimize in a way that this ggml-sched does not know. "
            "Build without CMAKE_PROJECT_ggml_INCLUDE, or with a newer ggml-sched.")
    endif()

    ggml_sched_file_has(${ggml}/src/ggml-backend.cpp "tensor->op != GGML_OP_FLASH_ATTN_EXT" skips_flash_attn)
    if(skips_flash_attn)
        list(APPEND features GGML_SCHED_PLACES_FLASH_ATTN_FREELY=1)
    endif()
    set(${result} ${features} PARENT_SCOPE)
endfunction()

# Sets `result` to definitions that give functions and the scheduler's struct other names.
function(ggml_sched_renamed declared extensions name result)
    set(definitions ggml_backend_sched=ggml_${name}_sched)
    foreach(function IN LISTS declared)
        list(APPEND definitions ggml_backend_sched_${function}=ggml_${name}_sched_${function})
    endforeach()
    foreach(function IN LISTS extensions)
        list(APPEND definitions ggml_sched_${function}=ggml_${name}_sched_${function})
    endforeach()
    set(${result} ${definitions} PARENT_SCOPE)
endfunction()

function(ggml_sched_inject ggml)
    if(NOT TARGET ggml-base)
        message(FATAL_ERROR "ggml-sched: ${ggml} has no target ggml-base; the drop-in needs ggml of November 2025 or "
            "newer. Build without CMAKE_PROJECT_ggml_INCLUDE.")
    endif()
    foreach(file include/ggml-backend.h include/ggml-alloc.h src/ggml-impl.h src/ggml-backend-impl.h
            src/ggml-backend.cpp)
        if(NOT EXISTS ${ggml}/${file})
            message(FATAL_ERROR "ggml-sched: ${ggml}/${file} does not exist: this ggml is laid out in a way that this "
                "ggml-sched does not know. Build without CMAKE_PROJECT_ggml_INCLUDE.")
        endif()
    endforeach()

    set(header ${ggml}/include/ggml-backend.h)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    ggml_sched_read_statements(${header} statements)
    ggml_sched_declared_functions("${statements}" ggml_backend_sched_ declared)
    ggml_sched_check_functions(${header} "${statements}" "${declared}" late unknown)
    ggml_sched_find_features(${ggml} features)
    ggml_sched_read_statements(${GGML_SCHED_ROOT}/include/ggml-sched.h our_statements)
    ggml_sched_declared_functions("${our_statements}" ggml_sched_ extensions)
    ggml_sched_renamed("${declared}" "" stock stock_names)
    # A function that this ggml does not declare keeps its name, and nobody calls it.
    ggml_sched_renamed("${declared}" "${extensions}" ours our_names)

    # Our other headers have the names of ggml's, so this one is copied to a folder of its own.
    set(include_dir ${CMAKE_CURRENT_BINARY_DIR}/ggml-sched)
    configure_file(${GGML_SCHED_ROOT}/include/ggml-sched.h ${include_dir}/ggml-sched.h COPYONLY)

    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${GGML_SCHED_ROOT}/src/sched/*.cpp)
    set(choice ${GGML_SCHED_ROOT}/src/dropin/choice.cpp ${GGML_SCHED_ROOT}/src/dropin/record.cpp)
    foreach(function IN LISTS late)
        list(APPEND choice ${GGML_SCHED_ROOT}/src/dropin/${function}.cpp)
    endforeach()
    ggml_sched_pass_on(${ggml} "${unknown}" passing_on)
    if(passing_on)
        list(APPEND choice ${passing_on})
        list(APPEND features GGML_SCHED_PASSES_ON=1)
    endif()

    # Our sources are compiled with the flags of ggml-base. The library hides functions that only our sources call.
    add_library(ggml-sched-objects OBJECT ${sources} ${choice})
    target_compile_features(ggml-sched-objects PRIVATE cxx_std_17)
    target_include_directories(ggml-sched-objects PRIVATE
        ${GGML_SCHED_ROOT}/src/sched ${GGML_SCHED_ROOT}/src/dropin ${include_dir}
        $<TARGET_PROPERTY:ggml-base,INCLUDE_DIRECTORIES>)
    target_compile_definitions(ggml-sched-objects PRIVATE
        ${features} $<TARGET_PROPERTY:ggml-base,COMPILE_DEFINITIONS>)
    get_target_property(position_independent ggml-base POSITION_INDEPENDENT_CODE)
    set_target_properties(ggml-sched-objects PROPERTIES
        CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
        POSITION_INDEPENDENT_CODE ${position_independent})
    set_property(SOURCE ${GGML_SCHED_ROOT}/src/sched/capi.cpp APPEND PROPERTY COMPILE_DEFINITIONS ${our_names})
    set_property(SOURCE ${ggml}/src/ggml-backend.cpp TARGET_DIRECTORY ggml-base APPEND PROPERTY
        COMPILE_DEFINITIONS ${stock_names})

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

# Tells versions of ggml apart by what their headers declare: which functions and features this ggml has, and which of
# our sources go into it. cmake/ggml-sched-inject.cmake and cmake/ggml-sched-patch.cmake include this file. They set
# GGML_SCHED_ELSE to what a user can do if this ggml is refused.

get_filename_component(GGML_SCHED_ROOT ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)

include(${CMAKE_CURRENT_LIST_DIR}/ggml-sched-forward.cmake)

# Sets `result` to true if the text of the file matches.
function(ggml_sched_file_has file regex result)
    file(READ "${file}" text)
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
        message(FATAL_ERROR "ggml-sched: this ggml is too old for ggml-sched: ${header} does not declare "
            "ggml_backend_sched_${names}. ${GGML_SCHED_ELSE}, or take a newer ggml.")
    endif()
    ggml_sched_file_has("${header}" "ggml_backend_sched_new\\([^;]*bool op_offload\\)" has_op_offload)
    if(NOT has_op_offload)
        message(FATAL_ERROR "ggml-sched: this ggml is too old for ggml-sched: in ${header} ggml_backend_sched_new has "
            "no parameter op_offload. ${GGML_SCHED_ELSE}, or take a newer ggml.")
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
function(ggml_sched_pass_on header source unknown forwarders result)
    set(${result} "" PARENT_SCOPE)
    if(unknown STREQUAL "")
        return()
    endif()
    foreach(function IN LISTS unknown)
        ggml_sched_file_has("${source}" "ggml_backend_sched_${function} *\\(" is_defined)
        if(NOT is_defined)
            message(FATAL_ERROR "ggml-sched: ${source} does not define ggml_backend_sched_${function}, which ${header} "
                "declares. ${GGML_SCHED_ELSE}.")
        endif()
    endforeach()
    ggml_sched_write_forwarders("${header}" "${unknown}" "${forwarders}")
    list(JOIN unknown ", ggml_backend_sched_" names)
    message(STATUS "ggml-sched: a scheduler becomes ggml's own when one of these functions is called on it: "
        "ggml_backend_sched_${names}")
    set(${result}
        ${GGML_SCHED_ROOT}/src/dropin/forward.cpp ${GGML_SCHED_ROOT}/src/dropin/become_stock.cpp
        ${GGML_SCHED_ROOT}/src/dropin/reserved.cpp ${GGML_SCHED_ROOT}/src/dropin/saved_graph.cpp
        ${forwarders} PARENT_SCOPE)
endfunction()

# Sets `result` to compile definitions that say what this ggml has. Only src/sched/host reads them.
function(ggml_sched_find_features sources result)
    set(features GGML_SCHED_DROP_IN=1)
    ggml_sched_file_has("${sources}/ggml-impl.h" "ggml_graph_next_uid" has_uid)
    if(has_uid)
        list(APPEND features GGML_SCHED_HAS_GRAPH_UID=1)
    endif()

    ggml_sched_file_has("${sources}/ggml-impl.h" "ggml_op_can_inplace" has_op_can_inplace)
    if(has_op_can_inplace)
        list(APPEND features GGML_SCHED_HAS_OP_CAN_INPLACE=1)
    endif()

    set(impl "${sources}/ggml-backend-impl.h")
    set(graph_optimize "\\(\\*graph_optimize\\) *\\(ggml_backend_t backend, struct ggml_cgraph \\* cgraph")
    ggml_sched_file_has("${impl}" "${graph_optimize}\\)" optimizes)
    ggml_sched_file_has("${impl}" "${graph_optimize}, struct ggml_backend_graph_optimize_params \\* params\\)"
        optimizes_with_params)
    ggml_sched_file_has("${impl}" "\\(\\*graph_optimize\\)" has_hook)
    if(optimizes_with_params)
        list(APPEND features GGML_SCHED_HAS_GRAPH_OPTIMIZE=2)
    elseif(optimizes)
        list(APPEND features GGML_SCHED_HAS_GRAPH_OPTIMIZE=1)
    elseif(has_hook)
        message(FATAL_ERROR "ggml-sched: ${impl} declares graph_optimize in a way that this ggml-sched does not know. "
            "${GGML_SCHED_ELSE}, or take a newer ggml-sched.")
    endif()

    ggml_sched_file_has("${sources}/ggml-backend.cpp" "tensor->op != GGML_OP_FLASH_ATTN_EXT" skips_flash_attn)
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

# Looks at the ggml whose headers and sources lie in these two folders. Writes forwarders for unknown functions to the
# file `forwarders`. Sets in the caller's scope:
#
#   ggml_sched_features      compile definitions for all of our sources
#   ggml_sched_stock_names   definitions that rename ggml's own scheduler in ggml-backend.cpp
#   ggml_sched_our_names     definitions that rename our functions in capi.cpp
#   ggml_sched_declared      the functions ggml_backend_sched_* that ggml declares, without the prefix
#   ggml_sched_choice        the sources that choose between both schedulers
function(ggml_sched_detect headers sources forwarders)
    foreach(file "${headers}/ggml-backend.h" "${headers}/ggml-alloc.h" "${sources}/ggml-impl.h"
            "${sources}/ggml-backend-impl.h" "${sources}/ggml-backend.cpp")
        if(NOT EXISTS "${file}")
            message(FATAL_ERROR "ggml-sched: ${file} does not exist: this ggml is laid out in a way that this "
                "ggml-sched does not know. ${GGML_SCHED_ELSE}.")
        endif()
    endforeach()
    set(header "${headers}/ggml-backend.h")
    ggml_sched_read_statements("${header}" statements)
    ggml_sched_declared_functions("${statements}" ggml_backend_sched_ declared)
    ggml_sched_check_functions("${header}" "${statements}" "${declared}" late unknown)
    ggml_sched_find_features("${sources}" features)
    ggml_sched_read_statements(${GGML_SCHED_ROOT}/include/ggml-sched.h our_statements)
    ggml_sched_declared_functions("${our_statements}" ggml_sched_ extensions)
    ggml_sched_renamed("${declared}" "" stock stock_names)
    # A function that this ggml does not declare keeps its name, and nobody calls it.
    ggml_sched_renamed("${declared}" "${extensions}" ours our_names)

    set(choice ${GGML_SCHED_ROOT}/src/dropin/choice.cpp ${GGML_SCHED_ROOT}/src/dropin/record.cpp)
    foreach(function IN LISTS late)
        list(APPEND choice ${GGML_SCHED_ROOT}/src/dropin/${function}.cpp)
    endforeach()
    ggml_sched_pass_on("${header}" "${sources}/ggml-backend.cpp" "${unknown}" "${forwarders}" passing_on)
    if(passing_on)
        list(APPEND choice ${passing_on})
        list(APPEND features GGML_SCHED_PASSES_ON=1)
    endif()
    set(ggml_sched_features ${features} PARENT_SCOPE)
    set(ggml_sched_stock_names ${stock_names} PARENT_SCOPE)
    set(ggml_sched_our_names ${our_names} PARENT_SCOPE)
    set(ggml_sched_declared ${declared} PARENT_SCOPE)
    set(ggml_sched_choice ${choice} PARENT_SCOPE)
endfunction()

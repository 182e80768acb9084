# Puts this scheduler into a ggml that somebody else builds, without a change to it:
#
#   cmake -DCMAKE_PROJECT_ggml_INCLUDE=<this file> ...        for anything that contains ggml's project("ggml")
#
# CMake reads the file right behind project("ggml"). What it has to do it does when ggml's targets exist, at the end of
# ggml's CMakeLists.txt: add our sources to ggml-base, and rename the functions of ggml's own scheduler in the one file that
# defines them. Both are in the library then; src/dropin picks one when a scheduler is made (GGML_SCHED=ours|stock).
#
# Versions of ggml are told apart by what their headers declare. docs/drop-in.md is for users.

if(CMAKE_VERSION VERSION_LESS 3.19)
    message(FATAL_ERROR "ggml-sched: the drop-in needs CMake 3.19 or newer; this is CMake ${CMAKE_VERSION}.")
endif()

get_filename_component(GGML_SCHED_ROOT ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)

# Sets `result` to the functions with this prefix that a header declares, without the prefix.
function(ggml_sched_declared_functions header prefix result)
    file(READ ${header} text)
    string(REGEX REPLACE "//[^\n]*" "" text "${text}")
    string(REGEX MATCHALL "GGML_API[^;]*[ *]${prefix}[a-z0-9_]+ *\\(" found "${text}")
    list(TRANSFORM found REPLACE ".*[ *]${prefix}([a-z0-9_]+) *\\($" "\\1")
    list(REMOVE_DUPLICATES found)
    set(${result} ${found} PARENT_SCOPE)
endfunction()

function(ggml_sched_file_has file regex result)
    file(READ ${file} text)
    string(REGEX MATCH "${regex}" found "${text}")
    if(found)
        set(${result} TRUE PARENT_SCOPE)
    else()
        set(${result} FALSE PARENT_SCOPE)
    endif()
endfunction()

# The public functions of the scheduler in this ggml must be those that we define, apart from a few that came late.
function(ggml_sched_check_functions header declared)
    set(required
        new free reserve get_n_backends get_backend get_n_splits get_n_copies get_buffer_size set_tensor_backend
        get_tensor_backend alloc_graph graph_compute graph_compute_async synchronize reset set_eval_callback)
    set(optional reserve_size get_buffer_type split_graph)
    set(missing ${required})
    list(REMOVE_ITEM missing ${declared})
    if(missing)
        list(JOIN missing ", ggml_backend_sched_" names)
        message(FATAL_ERROR "ggml-sched: this ggml is too old for the drop-in: ${header} does not declare "
            "ggml_backend_sched_${names}. Build without CMAKE_PROJECT_ggml_INCLUDE, or with a newer ggml.")
    endif()
    ggml_sched_file_has(${header} "ggml_backend_sched_new\\([^;]*bool op_offload\\)" has_op_offload)
    if(NOT has_op_offload)
        message(FATAL_ERROR "ggml-sched: this ggml is too old for the drop-in: in ${header} ggml_backend_sched_new has no "
            "parameter op_offload. Build without CMAKE_PROJECT_ggml_INCLUDE, or with a newer ggml.")
    endif()
    set(unknown ${declared})
    list(REMOVE_ITEM unknown ${required} ${optional})
    if(unknown)
        list(JOIN unknown ", ggml_backend_sched_" names)
        message(FATAL_ERROR "ggml-sched: this ggml is newer than this ggml-sched: ${header} declares "
            "ggml_backend_sched_${names}. Build without CMAKE_PROJECT_ggml_INCLUDE, or with a newer ggml-sched.")
    endif()
endfunction()

# Sets `result` to compile definitions that say what this ggml has; src/sched/host is all that reads them.
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
    ggml_sched_declared_functions(${header} ggml_backend_sched_ declared)
    ggml_sched_check_functions(${header} "${declared}")
    ggml_sched_find_features(${ggml} features)
    ggml_sched_declared_functions(${GGML_SCHED_ROOT}/include/ggml-sched.h ggml_sched_ extensions)
    ggml_sched_renamed("${declared}" "" stock stock_names)
    # What this ggml does not declare keeps its name, and nobody calls it.
    ggml_sched_renamed("${declared}" "${extensions}" ours our_names)

    # Our other headers have the names of ggml's, so this one goes to a directory of its own.
    set(include_dir ${CMAKE_CURRENT_BINARY_DIR}/ggml-sched)
    configure_file(${GGML_SCHED_ROOT}/include/ggml-sched.h ${include_dir}/ggml-sched.h COPYONLY)

    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${GGML_SCHED_ROOT}/src/sched/*.cpp)
    set(choice ${GGML_SCHED_ROOT}/src/dropin/choice.cpp)
    foreach(function reserve_size get_buffer_type split_graph)
        if(function IN_LIST declared)
            list(APPEND choice ${GGML_SCHED_ROOT}/src/dropin/${function}.cpp)
        endif()
    endforeach()

    # Compiled as ggml-base is, but what only our sources call from each other does not leave the library.
    add_library(ggml-sched-objects OBJECT ${sources} ${choice})
    target_compile_features(ggml-sched-objects PRIVATE cxx_std_17)
    target_include_directories(ggml-sched-objects PRIVATE
        ${GGML_SCHED_ROOT}/src/sched ${include_dir} $<TARGET_PROPERTY:ggml-base,INCLUDE_DIRECTORIES>)
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

    if(GGML_SCHED_PARITY) # not installed
        include(${GGML_SCHED_ROOT}/tests/parity/parity.cmake) # deferred calls may not add directories
    endif()
endfunction()

cmake_language(EVAL CODE "cmake_language(DEFER CALL ggml_sched_inject [[${CMAKE_CURRENT_SOURCE_DIR}]])")

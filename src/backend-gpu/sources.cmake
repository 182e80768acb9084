# The GPU backend, which a vendor's directory compiles with its own vendor.h before it in the include path.
set(gpu_dir ${CMAKE_CURRENT_LIST_DIR})
set(GGML_SCHED_GPU_SOURCES "")
foreach(name backend buffer compute device graph_cache host_memory mul_mat_blas public queue registry transfers)
    list(APPEND GGML_SCHED_GPU_SOURCES ${gpu_dir}/${name}.cpp)
endforeach()
set(GGML_SCHED_GPU_KERNELS "")
foreach(name copy elementwise mul_mat reduce rope rows sort)
    list(APPEND GGML_SCHED_GPU_KERNELS ${gpu_dir}/kernels/${name}.cu)
endforeach()
set(GGML_SCHED_GPU_SEES
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src/core ${gpu_dir} ${gpu_dir}/kernels)

# ggml_sched_add_cuda_kernels(<name> SEES <dirs...>): the kernels as a part, compiled by CUDA's compiler.
# -fmad=false: results must not depend on which compiler fuses which multiply and add.
function(ggml_sched_add_cuda_kernels name)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SEES")
    add_library(${name} OBJECT ${GGML_SCHED_GPU_KERNELS})
    target_include_directories(${name} PRIVATE ${ARG_SEES})
    target_compile_options(${name} PRIVATE -fmad=false)
    if(NOT MSVC)
        target_compile_options(${name} PRIVATE
            -Xcompiler=-Wall,-Wextra $<$<BOOL:${GGML_SCHED_WERROR}>:-Xcompiler=-Werror>)
    endif()
    set_target_properties(${name} PROPERTIES
        CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_ARCHITECTURES "${GGML_SCHED_CUDA_ARCHITECTURES}")
    set_property(GLOBAL APPEND PROPERTY GGML_SCHED_PARTS ${name})
endfunction()

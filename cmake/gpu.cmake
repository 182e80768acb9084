# Decides which GPU backends are built, and for which architectures.

# Unless an option says something else, kernels are compiled for the GPU of this machine. Without a GPU they are
# compiled for architecture 7.5, in a form that newer GPUs can use: the driver translates it at the first start.
include(CheckLanguage)
check_language(CUDA)
set(cuda_found OFF)
if(CMAKE_CUDA_COMPILER AND NOT WIN32) # Nobody has built these backends for Windows, so there they have to be asked for.
    set(cuda_found ON)
endif()
set(cuda_architectures 75-virtual)
if(EXISTS /dev/nvidia0)
    set(cuda_architectures native)
endif()

find_program(GGML_SCHED_HIPCC hipcc)
find_file(GGML_SCHED_HIP_HEADER hip/hip_runtime.h)
set(hip_found OFF)
if(GGML_SCHED_HIPCC AND GGML_SCHED_HIP_HEADER AND NOT WIN32)
    set(hip_found ON)
endif()

option(GGML_SCHED_CUDA "Build the backend for NVIDIA GPUs" ${cuda_found})
option(GGML_SCHED_HIP "Build the backend for AMD GPUs" ${hip_found})
option(GGML_SCHED_HIP_ON_CUDA "For tests: build the HIP backend so that it runs on NVIDIA GPUs" OFF)
# Both are built if their compilers are found. That takes long and is perhaps not wanted, so a message says it.
foreach(vendor "CUDA;NVIDIA" "HIP;AMD")
    list(GET vendor 0 name)
    list(GET vendor 1 maker)
    if(GGML_SCHED_${name})
        message(STATUS "The backend for ${maker} GPUs is built: -DGGML_SCHED_${name}=OFF leaves it out")
    else()
        message(STATUS "The backend for ${maker} GPUs is not built: -DGGML_SCHED_${name}=ON asks for it")
    endif()
endforeach()
set(GGML_SCHED_CUDA_ARCHITECTURES ${cuda_architectures} CACHE STRING "As CMAKE_CUDA_ARCHITECTURES: native, 90, ...")
set(GGML_SCHED_HIP_ARCHITECTURES gfx906;gfx90a;gfx1030 CACHE STRING "As hipcc's --offload-arch")

if(GGML_SCHED_CUDA OR GGML_SCHED_HIP_ON_CUDA)
    if(NOT CMAKE_CUDA_COMPILER)
        message(FATAL_ERROR "GGML_SCHED_CUDA: no CUDA compiler is found; put nvcc into PATH or turn the option off")
    endif()
    set(CMAKE_CUDA_ARCHITECTURES ${GGML_SCHED_CUDA_ARCHITECTURES})
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    if(GGML_SCHED_CCACHE)
        set(CMAKE_CUDA_COMPILER_LAUNCHER ${GGML_SCHED_CCACHE})
    endif()
endif()
if(GGML_SCHED_HIP AND NOT GGML_SCHED_HIP_ON_CUDA AND NOT hip_found)
    message(FATAL_ERROR "GGML_SCHED_HIP: hipcc or the headers of HIP are not found; install hipcc and libamdhip64-dev, "
                        "or turn the option off")
endif()

# Compares this scheduler with ggml's own, in a ggml that has both: cmake/ggml-sched-inject.cmake includes this in ggml's
# build with -DGGML_SCHED_PARITY=ON. It is no part of our own build.
set(parity ${CMAKE_CURRENT_LIST_DIR})
set(platform ${parity}/../platform)

if(CMAKE_CROSSCOMPILING) # The build machine's GoogleTest is no library of the target.
    set(GGML_SCHED_GTEST_SOURCE /usr/src/googletest CACHE PATH "GoogleTest's sources, of Debian's package googletest")
    set(gtest ${GGML_SCHED_GTEST_SOURCE}/googletest)
    add_library(ggml-sched-gtest STATIC ${gtest}/src/gtest-all.cc)
    target_include_directories(ggml-sched-gtest SYSTEM PUBLIC ${gtest}/include PRIVATE ${gtest})
    add_library(ggml-sched-gtest-main STATIC ${gtest}/src/gtest_main.cc)
    target_link_libraries(ggml-sched-gtest-main PUBLIC ggml-sched-gtest)
    add_library(GTest::gtest ALIAS ggml-sched-gtest)
    add_library(GTest::gtest_main ALIAS ggml-sched-gtest-main)
else()
    find_package(GTest REQUIRED)
endif()

add_executable(ggml-sched-parity
    ${parity}/fake_device.cpp ${parity}/parity_test.cpp ${parity}/random_graph.cpp)
target_compile_features(ggml-sched-parity PRIVATE cxx_std_17)
target_include_directories(ggml-sched-parity PRIVATE
    ${parity} ${platform} $<TARGET_PROPERTY:ggml-base,INCLUDE_DIRECTORIES>)
if("reserve_size" IN_LIST ggml_sched_declared)
    target_compile_definitions(ggml-sched-parity PRIVATE PARITY_HAS_RESERVE_SIZE)
endif()
target_link_libraries(ggml-sched-parity PRIVATE ggml-base ggml GTest::gtest GTest::gtest_main)

# Random sequences of the scheduler's calls; tests/sequences has the same with simulated devices.
if("reserve_size" IN_LIST ggml_sched_declared AND "split_graph" IN_LIST ggml_sched_declared AND "get_buffer_type" IN_LIST ggml_sched_declared)
    set(sequences ${CMAKE_CURRENT_LIST_DIR}/../sequences)
    add_executable(ggml-sched-sequences
        ${parity}/fake_device.cpp ${sequences}/callbacks.cpp ${sequences}/graph_builder.cpp ${sequences}/isolated.cpp
        ${sequences}/model.cpp ${sequences}/platform_fake.cpp ${sequences}/runner.cpp
        ${sequences}/runner_computes.cpp ${sequences}/sequence.cpp ${sequences}/sequence_gen.cpp ${sequences}/standalone_test.cpp ${sequences}/tensors.cpp ${sequences}/world.cpp)
    foreach(callback copy realloc)
        if(NOT "set_${callback}_callback" IN_LIST ggml_sched_declared)
            string(TOUPPER ${callback} name)
            target_compile_definitions(ggml-sched-sequences PRIVATE SEQUENCES_LACKS_${name}_CALLBACK)
        endif()
    endforeach()
    target_compile_features(ggml-sched-sequences PRIVATE cxx_std_17)
    target_include_directories(ggml-sched-sequences PRIVATE
        ${parity} ${platform} ${sequences} $<TARGET_PROPERTY:ggml-base,INCLUDE_DIRECTORIES>)
    target_link_libraries(ggml-sched-sequences PRIVATE ggml-base ggml GTest::gtest)
endif()

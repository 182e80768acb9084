# Compares this scheduler with ggml's own, in a ggml that has both: cmake/ggml-sched-inject.cmake includes this in ggml's
# build with -DGGML_SCHED_PARITY=ON. It is no part of our own build.
find_package(GTest REQUIRED)

set(parity ${CMAKE_CURRENT_LIST_DIR})
add_executable(ggml-sched-parity
    ${parity}/fake_device.cpp ${parity}/parity_test.cpp ${parity}/random_graph.cpp)
target_compile_features(ggml-sched-parity PRIVATE cxx_std_17)
target_include_directories(ggml-sched-parity PRIVATE ${parity} $<TARGET_PROPERTY:ggml-base,INCLUDE_DIRECTORIES>)
if("reserve_size" IN_LIST declared)
    target_compile_definitions(ggml-sched-parity PRIVATE PARITY_HAS_RESERVE_SIZE)
endif()
target_link_libraries(ggml-sched-parity PRIVATE ggml-base ggml GTest::gtest GTest::gtest_main)

# Random sequences of the scheduler's calls; tests/sequences has the same with simulated devices.
if("reserve_size" IN_LIST declared AND "split_graph" IN_LIST declared AND "get_buffer_type" IN_LIST declared)
    set(sequences ${CMAKE_CURRENT_LIST_DIR}/../sequences)
    add_executable(ggml-sched-sequences
        ${parity}/fake_device.cpp ${sequences}/callbacks.cpp ${sequences}/graph_builder.cpp ${sequences}/isolated.cpp
        ${sequences}/model.cpp ${sequences}/platform_fake.cpp ${sequences}/runner.cpp
        ${sequences}/runner_computes.cpp ${sequences}/sequence.cpp ${sequences}/sequence_gen.cpp ${sequences}/standalone_test.cpp ${sequences}/tensors.cpp ${sequences}/world.cpp)
    foreach(callback copy realloc)
        if(NOT "set_${callback}_callback" IN_LIST declared)
            string(TOUPPER ${callback} name)
            target_compile_definitions(ggml-sched-sequences PRIVATE SEQUENCES_LACKS_${name}_CALLBACK)
        endif()
    endforeach()
    target_compile_features(ggml-sched-sequences PRIVATE cxx_std_17)
    target_include_directories(ggml-sched-sequences PRIVATE
        ${parity} ${sequences} $<TARGET_PROPERTY:ggml-base,INCLUDE_DIRECTORIES>)
    target_link_libraries(ggml-sched-sequences PRIVATE ggml-base ggml GTest::gtest)
endif()

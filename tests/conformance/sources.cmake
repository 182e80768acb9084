# The files that need nothing but ggml's public headers, with those of every version
set(conformance_sources
    buffer_test.cpp
    callers_memory_test.cpp
    conformance_test.cpp
    copy_test.cpp
    device_test.cpp
    error_test.cpp
    event_test.cpp
    observed_test.cpp
    op_cases.cpp
    op_test.cpp
    order_test.cpp
    queries.cpp
    queue_test.cpp
    subject.cpp
    transfer_test.cpp
    world.cpp)

# Makes an interface target with the compiler flags of all our targets.
add_library(ggml-sched-flags INTERFACE)

if(MSVC)
    # /utf-8: the sources are. _CRT_SECURE_NO_WARNINGS: functions of the C library, such as fopen, are no mistake.
    target_compile_options(ggml-sched-flags INTERFACE
        /W4 /permissive- /utf-8 /Zc:__cplusplus $<$<BOOL:${GGML_SCHED_WERROR}>:/WX>)
    target_compile_definitions(ggml-sched-flags INTERFACE _CRT_SECURE_NO_WARNINGS)
else()
    # -ffp-contract=off: results must not depend on which compiler fuses which multiply and add.
    target_compile_options(ggml-sched-flags INTERFACE
        -Wall -Wextra -Wpedantic -ffp-contract=off $<$<BOOL:${GGML_SCHED_WERROR}>:-Werror>)
endif()

if(WIN32)
    # Otherwise windows.h defines min and max, and includes headers that nobody here needs.
    target_compile_definitions(ggml-sched-flags INTERFACE NOMINMAX WIN32_LEAN_AND_MEAN)
endif()

if(GGML_SCHED_SANITIZE)
    target_compile_options(ggml-sched-flags INTERFACE
        -fsanitize=${GGML_SCHED_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(ggml-sched-flags INTERFACE -fsanitize=${GGML_SCHED_SANITIZE})
endif()

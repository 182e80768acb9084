# Makes an interface target with the compiler flags of all our targets.
add_library(ggml-sched-flags INTERFACE)

if(MSVC)
    target_compile_options(ggml-sched-flags INTERFACE /W4 $<$<BOOL:${GGML_SCHED_WERROR}>:/WX>)
else()
    # -ffp-contract=off: results must not depend on which compiler fuses which multiply and add.
    target_compile_options(ggml-sched-flags INTERFACE
        -Wall -Wextra -Wpedantic -ffp-contract=off $<$<BOOL:${GGML_SCHED_WERROR}>:-Werror>)
endif()

if(GGML_SCHED_SANITIZE)
    target_compile_options(ggml-sched-flags INTERFACE
        -fsanitize=${GGML_SCHED_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(ggml-sched-flags INTERFACE -fsanitize=${GGML_SCHED_SANITIZE})
endif()

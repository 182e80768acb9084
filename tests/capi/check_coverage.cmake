# Fails if a function that a public header declares is used by no C source of this directory.
#   cmake -DINCLUDE=<include> -DSOURCES=<tests/capi> -P check_coverage.cmake

file(GLOB headers ${INCLUDE}/*.h)
file(GLOB sources ${SOURCES}/*.c)
set(used "")
foreach(source IN LISTS sources)
    file(READ ${source} text)
    string(REGEX REPLACE "/\\*[^*]*\\*+([^/*][^*]*\\*+)*/" "" text "${text}") # comments use nothing
    string(APPEND used "${text}")
endforeach()

set(n_functions 0)
set(missing "")
foreach(header IN LISTS headers)
    file(READ ${header} text)
    string(REGEX REPLACE "//[^\n]*" "" text "${text}")
    string(REGEX REPLACE "\n[ \t]*#[^\n]*" "" text "${text}")
    # From the export macro to the first parenthesis; the name is the last word before it.
    string(REGEX MATCHALL "(GGML_API|GGML_BACKEND_API|GGUF_API)[^;(]*\\(" declarations "${text}")
    foreach(declaration IN LISTS declarations)
        string(REGEX MATCH "([A-Za-z_][A-Za-z0-9_]*)[ \t\n]*\\($" ignored "${declaration}")
        set(name ${CMAKE_MATCH_1})
        math(EXPR n_functions "${n_functions} + 1")
        if(NOT used MATCHES "[^A-Za-z0-9_]${name}[^A-Za-z0-9_]")
            list(APPEND missing ${name})
        endif()
    endforeach()
endforeach()

if(n_functions LESS 300)
    message(FATAL_ERROR "only ${n_functions} declarations found: the pattern does not fit the headers any more")
endif()
if(missing)
    list(JOIN missing "\n  " text)
    message(FATAL_ERROR "public functions that no C test uses:\n  ${text}")
endif()
message(STATUS "all ${n_functions} public functions are used")

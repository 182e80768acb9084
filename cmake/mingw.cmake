# Toolchain file: compiles for Windows with MinGW's GCC, and runs what was built with wine.
#
# Programs need nothing but Windows' own libraries. Debian's packages are g++-mingw-w64-x86-64-posix and wine64.
# nlohmann-json and CLI11 are headers alone, so those of the build machine are used; see windows_packages.cmake.

set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
set(CMAKE_SHARED_LINKER_FLAGS_INIT -static)
# wine64, since wine asks for a 32-bit part that tests do not need. It maps a page at a fixed address. Where the kernel
# spreads addresses, something else lies there about once in 2,000 starts, and wine ends.
set(CMAKE_CROSSCOMPILING_EMULATOR /usr/lib/wine/wine64)
execute_process(COMMAND setarch x86_64 -R true RESULT_VARIABLE cannot_fix_addresses OUTPUT_QUIET ERROR_QUIET)
if(NOT cannot_fix_addresses)
    set(CMAKE_CROSSCOMPILING_EMULATOR setarch x86_64 -R /usr/lib/wine/wine64)
endif()

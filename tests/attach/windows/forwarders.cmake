# Writes the exports of a library that takes the place of another one: those in OWN are its own, and all others are
# forwarded. The loader of Windows follows a forwarder when it loads a program, so that no call takes longer.
#
#   cmake -DOBJDUMP=<objdump> -DLIBRARY=<dll> -DNEW_NAME=<its name from now on> -DOWN=<names> -DOUT=<def> -P <this file>
cmake_minimum_required(VERSION 3.25)
execute_process(COMMAND ${OBJDUMP} -p ${LIBRARY} OUTPUT_VARIABLE text COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "^.*\\[Ordinal/Name Pointer\\] Table" "" text "${text}")
string(REGEX REPLACE "\n\n.*$" "" text "${text}")
string(REGEX MATCHALL "\\[ *[0-9]+\\][^\n]* [^ \n]+" lines "${text}")
list(TRANSFORM lines REPLACE "^.* " "")
set(exports "EXPORTS\n")
foreach(name IN LISTS lines)
    if(name IN_LIST OWN)
        string(APPEND exports "    ${name}\n")
    else()
        string(APPEND exports "    ${name} = \"${NEW_NAME}.${name}\"\n")
    endif()
endforeach()
file(WRITE ${OUT} "${exports}")

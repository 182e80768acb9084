# Tells `ggml-sched patch` what goes into a ggml whose build is not CMake's:
#
#   cmake -DHEADERS=<folder of ggml-backend.h> -DSOURCES=<folder of ggml-backend.cpp> -DOUT=<folder> -P <this file>
#
# Writes OUT/found.txt, with a kind and a value in each line: `feature`, `stock` and `ours` are definitions NAME=VALUE;
# `choice` is a source. ggml-sched-detect.cmake says what they are. The file of forwarders lies in OUT, too.

cmake_minimum_required(VERSION 3.19)

set(GGML_SCHED_ELSE "The tree stays as it is")
include(${CMAKE_CURRENT_LIST_DIR}/ggml-sched-detect.cmake)

ggml_sched_detect("${HEADERS}" "${SOURCES}" "${OUT}/ggml-sched-forwarders.cpp")
set(found_feature ${ggml_sched_features})
set(found_stock ${ggml_sched_stock_names})
set(found_ours ${ggml_sched_our_names})
set(found_choice ${ggml_sched_choice})

set(text "")
foreach(kind feature stock ours choice)
    foreach(value IN LISTS found_${kind})
        string(APPEND text "${kind} ${value}\n")
    endforeach()
endforeach()
file(WRITE "${OUT}/found.txt" "${text}")

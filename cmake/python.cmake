# Says what the wheel holds besides its Python modules. pyproject.toml builds ggml-sched-attach alone and installs the
# component `python`. Paths are relative to the wheel.
#
#   ggml_sched/lib/        the attach library           ggml_sched/include/    our headers
#   ggml_sched/timeline/   the parts of the page        ggml_sched/drop-in/    our sources, and what adds them to a ggml

set(package_dir ggml_sched)

install(TARGETS ggml-sched-attach COMPONENT python LIBRARY DESTINATION ${package_dir}/lib)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ COMPONENT python DESTINATION ${package_dir}/include
    FILES_MATCHING PATTERN "*.h")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples/sched-run/timeline COMPONENT python DESTINATION ${package_dir})

# The drop-in has our sources in the folders that they have here, as in install.cmake.
set(drop_in_dir ${package_dir}/drop-in)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/ggml-sched-inject.cmake ${CMAKE_CURRENT_LIST_DIR}/ggml-sched-detect.cmake
    ${CMAKE_CURRENT_LIST_DIR}/ggml-sched-forward.cmake ${CMAKE_CURRENT_LIST_DIR}/ggml-sched-patch.cmake
    COMPONENT python DESTINATION ${drop_in_dir}/cmake)
install(FILES ${PROJECT_SOURCE_DIR}/include/ggml-sched.h COMPONENT python DESTINATION ${drop_in_dir}/include)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE COMPONENT python DESTINATION ${drop_in_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/sched ${PROJECT_SOURCE_DIR}/src/dropin
    COMPONENT python DESTINATION ${drop_in_dir}/src FILES_MATCHING PATTERN "*.h" PATTERN "*.cpp")

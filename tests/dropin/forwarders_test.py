#!/usr/bin/env python3
"""Functions of ggml's scheduler that ggml-sched does not have.

cmake/ggml-sched-forward.cmake writes forwarders for them. The forwarders and src/dropin are compiled with stub
schedulers (forwarders/), and a program plays the engine."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import fake_tree
from fake_tree import CMAKE, CXX, ROOT

STUBS = Path(__file__).resolve().parent / "forwarders"
NEW_FUNCTIONS = (STUBS / "new_functions.h").read_text()
HEADER = (ROOT / "include/ggml-backend.h").read_text().replace(
    "\n#ifdef __cplusplus\n}", f"\n{NEW_FUNCTIONS}\n#ifdef __cplusplus\n}}")

NEW = "new 1 2 77 parallel offload"
TAKES_OVER = "warning: ggml_backend_sched_{} is a function of ggml's scheduler alone: this scheduler is ggml's own " \
             "from now on. Set GGML_SCHED=ours to keep ggml-sched's, without the function."
STAYS = "error: ggml_backend_sched_{} did nothing: it is a function of ggml's scheduler alone, and GGML_SCHED=ours " \
        "keeps ggml-sched's. Unset GGML_SCHED, or set it to stock."
RUNS = "error: ggml_backend_sched_{} did nothing: it is a function of ggml's scheduler alone, and this scheduler is " \
       "running. Call it outside of callbacks, or set GGML_SCHED=stock."
IS_NULL = "error: ggml_backend_sched_{}: the scheduler is NULL"
NO_MEMORY = "error: ggml_backend_sched_set_priority did nothing: ggml's scheduler, which alone has it, got no memory " \
            "for the graph"
CONTENTS = ["input = an input input", "table = a table.", "weight = weights."]
CALLBACKS = ["set_eval_callback function", "set_copy_callback function", "set_realloc_callback function"]


def switch(function, told=(), allocated=()):
    """The lines of a scheduler that becomes ggml's own. `told`: what ggml's is told."""
    return ["ours synchronize", f"stock {NEW}", "ours unalloc_graph", "ours free", *(f"stock {line}" for line in told),
            *allocated, TAKES_OVER.format(function)]


class Generator(unittest.TestCase):
    """The text of forwarders, without a configuration."""

    def forwarders(self, declarations, functions):
        """Returns the exit code, CMake's output in one line, and the forwarders in one line."""
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            (root / "ggml-backend.h").write_text(
                "typedef struct ggml_backend_sched * ggml_backend_sched_t;\n" + declarations)
            (root / "write.cmake").write_text(
                "cmake_minimum_required(VERSION 3.19)\n"
                f"include({ROOT}/cmake/ggml-sched-forward.cmake)\n"
                f"ggml_sched_write_forwarders({root}/ggml-backend.h \"{';'.join(functions)}\" {root}/forwarders.cpp)\n")
            done = subprocess.run([CMAKE, "-P", root / "write.cmake"], capture_output=True, text=True)
            file = root / "forwarders.cpp"
            return (done.returncode, " ".join((done.stdout + done.stderr).split()),
                    " ".join(file.read_text().split()) if file.exists() else "")

    def test_finds_the_functions_that_the_library_has(self):
        header = """
            GGML_API int ggml_backend_sched_a(int n); // GGML_API void ggml_backend_sched_b(void);
            int ggml_backend_sched_c(void); /* GGML_API void ggml_backend_sched_d(void); */
            GGML_DEPRECATED(GGML_API int ggml_backend_sched_e(void), "not ggml_backend_sched_f();");
            typedef void ggml_backend_sched_g(int n);
            typedef void (*ggml_backend_sched_h)(int n);
            static inline int ggml_backend_sched_i(int n) { if (n) { return ggml_backend_sched_a(n); } return 0; }
            inline int ggml_backend_sched_j(int n) { return n; }
            #define x(n) ggml_backend_sched_k(n)
            struct ggml_backend_sched_l { int (*ggml_backend_sched_m)(int n); int n; };
            GGML_API int ggml_backend_other(int n);
            """
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            (root / "header.h").write_text(header)
            (root / "find.cmake").write_text(
                "cmake_minimum_required(VERSION 3.19)\n"
                f"include({ROOT}/cmake/ggml-sched-forward.cmake)\n"
                f"ggml_sched_read_statements({root}/header.h statements)\n"
                "ggml_sched_declared_functions(\"${statements}\" ggml_backend_sched_ functions)\n"
                "message(\"${functions}\")\n")
            done = subprocess.run([CMAKE, "-P", root / "find.cmake"], capture_output=True, text=True)
        self.assertEqual(done.stderr.strip(), "a;c;e")

    def test_reads_declarations_of_all_forms(self):
        for declaration, signature in (
                ("GGML_API void ggml_backend_sched_f(void);", "void ggml_backend_sched_f()"),
                ("GGML_API void ggml_backend_sched_f();", "void ggml_backend_sched_f()"),
                ("GGML_API int*ggml_backend_sched_f(int*,const char*const*names);",
                 "int * ggml_backend_sched_f(int * argument_1, const char * const * argument_2)"),
                ("GGML_API unsigned long long ggml_backend_sched_f(long int n, unsigned);",
                 "unsigned long long ggml_backend_sched_f(long int argument_1, unsigned argument_2)"),
                ("GGML_API enum ggml_status ggml_backend_sched_f(const struct ggml_tensor * t, union u v);",
                 "enum ggml_status ggml_backend_sched_f(const struct ggml_tensor * argument_1, union u argument_2)"),
                ("GGML_API\nvoid ggml_backend_sched_f(const float m[2][N], int []);",
                 "void ggml_backend_sched_f(const float argument_1[2][N], int argument_2[])"),
                ("GGML_API void ggml_backend_sched_f(bool (*ask)(int, void (*)(int)), void * (*)(void));",
                 "void ggml_backend_sched_f(bool (*argument_1)(int, void (*)(int)), void * (*argument_2)(void))"),
                ("#define A(x) \\\n  ggml_backend_sched_f(x);\n/* ; { */ extern int ggml_backend_sched_f // (int a,\n"
                 "(int/*,*/b);", "int ggml_backend_sched_f(int argument_1)"),
                ("GGML_DEPRECATED(GGML_API int ggml_backend_sched_f(size_t n), \"not; \\\" (f), // {\" \"more\");",
                 "int ggml_backend_sched_f(size_t argument_1)"),
                ("struct s { int a; struct { int b; } c; };\r\nGGML_API struct s ggml_backend_sched_f(struct s);\r\n",
                 "struct s ggml_backend_sched_f(struct s argument_1)")):
            with self.subTest(declaration=declaration):
                code, output, text = self.forwarders(declaration, ["f"])
                self.assertEqual(code, 0, output)
                self.assertIn(f"GGML_API {signature} {{ return", text)
                self.assertIn(signature.replace("backend_sched", "stock_sched") + ";", text)

    def test_unwraps_schedulers_of_all_forms(self):
        for parameter in ("ggml_backend_sched_t s", "ggml_backend_sched_t", "const ggml_backend_sched_t s",
                          "struct ggml_backend_sched * s", "const struct ggml_backend_sched *",
                          "struct ggml_backend_sched * const s"):
            with self.subTest(parameter=parameter):
                code, output, text = self.forwarders(f"GGML_API int ggml_backend_sched_f(int n, {parameter});", ["f"])
                self.assertEqual(code, 0, output)
                self.assertIn('forward("ggml_backend_sched_f", {argument_2}, [&] { '
                              "return ggml_stock_sched_f(argument_1, argument_2->scheduler); })", text)

    def test_refuses_and_quotes_what_it_cannot_read(self):
        for declaration in (
                "int ggml_backend_sched_f(ggml_backend_sched_t s, ...)",
                "int ggml_backend_sched_f(ggml_backend_sched_t * s)",
                "int ggml_backend_sched_f(struct ggml_backend_sched s)",
                "int ggml_backend_sched_f(struct ggml_backend_sched ** s)",
                "int ggml_backend_sched_f(ggml_backend_sched_t s[2])",
                "ggml_backend_sched_t * ggml_backend_sched_f(int n)",
                "int ggml_backend_sched_f(void (*told)(ggml_backend_sched_t s, int n))",
                "void (*ggml_backend_sched_f(int n))(int)",
                "int ggml_backend_sched_f(int compare(int))",
                "int ggml_backend_sched_f(int n) __attribute__((pure))",
                "int ggml_backend_sched_f(int n), ggml_backend_sched_g(int n)",
                "GGML_CALL int ggml_backend_sched_f(int n)",
                "int ggml_backend_sched_f(std::vector<int> n)",
                "int ggml_backend_sched_f(int & n)",
                "int ggml_backend_sched_f(size_t n m)",
                "int ggml_backend_sched_f(int n"):
            with self.subTest(declaration=declaration):
                code, output, text = self.forwarders(f"GGML_API {declaration};\nint other;", ["f"])
                self.assertNotEqual(code, 0)
                self.assertEqual(text, "")
                self.assertIn("declares a function that ggml-sched does not know and cannot pass on", output)
                self.assertIn(f"'{declaration}'".replace(" ", ""), output.replace(" ", ""))

    def test_refuses_types_that_hide_a_scheduler(self):
        for types in ("typedef void (*hiding)(int n, ggml_backend_sched_t s);",
                      "typedef void (*hiding)(struct ggml_backend_sched * s, int n);",
                      "typedef ggml_backend_sched_t hiding;",
                      "typedef struct { int n; ggml_backend_sched_t s; } hiding;",
                      "typedef struct hiding { ggml_backend_sched_t s, t; int n; } hiding;"):
            with self.subTest(types=types):
                declaration = "GGML_API void ggml_backend_sched_f(int n, hiding h);"
                self.assertNotEqual(self.forwarders(types + declaration, ["f"])[0], 0)
                harmless = types.replace("struct ggml_backend_sched *", "int").replace("ggml_backend_sched_t", "int")
                self.assertEqual(self.forwarders(harmless + declaration, ["f"])[0], 0)
        hidden = "struct hiding { int n; ggml_backend_sched_t s; };"
        self.assertNotEqual(
            self.forwarders(f"{hidden} GGML_API void ggml_backend_sched_f(const struct hiding * h);", ["f"])[0], 0)

    def test_refuses_a_declaration_with_conditions_inside(self):
        code, _, text = self.forwarders("int ggml_backend_sched_f(int n\n#ifdef A\n, int m\n#endif\n);", ["f"])
        self.assertNotEqual(code, 0)
        self.assertEqual(text, "")


class Forwarders(unittest.TestCase):
    """What the forwarders do, compiled with stub schedulers."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        root = Path(cls.directory.name)
        # What ggml-backend.cpp defines is in forwarders/scheduler.cpp.
        names = re.findall(r"ggml_backend_sched_\w+\(", NEW_FUNCTIONS)
        code, output = fake_tree.configure(root, HEADER, source="".join(f"// {name}\n" for name in names))
        assert code == 0, output
        commands = fake_tree.commands_of(root).splitlines()
        files = [line.split('"')[3] for line in commands if '"file"' in line]
        cls.dropin = [file for file in files if "/dropin/" in file or file.endswith("-forwarders.cpp")]
        cls.program = root / "program"
        cls.compile(root, commands)

    @classmethod
    def compile(cls, root, commands):
        """Builds the program in `root`, with the names that the injection gives to the functions of both schedulers."""
        (root / "include").mkdir()
        for name in ("ggml.h", "ggml-ops.h", "ggml-alloc.h", "ggml-sched.h"):
            shutil.copy(ROOT / "include" / name, root / "include")
        (root / "include/ggml-backend.h").write_text(HEADER)

        def renaming(file):
            command, = [line for line in commands if '"command"' in line and line.rstrip('",').endswith(file)]
            return re.findall(r"-Dggml_\w+=\w+", command)

        compiler = [*shlex.split(CXX), "-std=c++17", "-Wall", "-Wextra", "-Wno-deprecated-declarations",
                    *os.environ.get("CXXFLAGS", "").split(), f"-I{root}/include", f"-I{ROOT}/src/sched",
                    f"-I{ROOT}/src/dropin", f"-I{STUBS}"]
        jobs = [(STUBS / "scheduler.cpp", "stock.o", renaming("/src/ggml-backend.cpp")),
                (STUBS / "scheduler.cpp", "ours.o", ["-DSTUB_OURS", *renaming("/src/sched/capi.cpp")]),
                (STUBS / "stub.cpp", "stub.o", []), (STUBS / "program.cpp", "program.o", []),
                (ROOT / "src/sched/host/switches.cpp", "switches.o", ["-DGGML_SCHED_DROP_IN=1"]),
                (ROOT / "src/sched/host/system.cpp", "system.o", []),
                *((file, f"{Path(file).stem}.o", ["-Werror", "-DGGML_SCHED_PASSES_ON=1"]) for file in cls.dropin)]
        for file, result, options in jobs:
            cls.run_command([*compiler, *options, "-c", file, "-o", root / result])
        cls.run_command([*compiler, *(root / result for _, result, _ in jobs), "-o", cls.program])

    @staticmethod
    def run_command(command):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def run_with_stderr(self, scenario, **variables):
        """Returns the lines of a scenario on stdout and on stderr."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GGML_SCHED")}
        done = subprocess.run([self.program, scenario], capture_output=True, text=True, env={**environment, **variables})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.splitlines(), done.stderr.splitlines()

    def run_program(self, scenario, choice=None):
        """Returns the lines of a scenario. `choice` is GGML_SCHED in the environment."""
        return self.run_with_stderr(scenario, **({} if choice is None else {"GGML_SCHED": choice}))[0]

    def parts(self, scenario, choice=None):
        """Returns the lines of a scenario between its lines "-"."""
        return [part.split("\n") for part in "\n".join(self.run_program(scenario, choice)).split("\n-\n")]


    def test_takes_over_what_the_engine_has_told_ours_and_warns_once(self):
        before, first, second = self.parts("become_stock")
        new = NEW.replace("1 2", "1/8 2/9")
        self.assertEqual(before[0], f"ours {new}")
        expected = switch("set_priority", [*CALLBACKS, "set_tensor_backend hidden 2"])
        expected[1] = f"stock {new}"
        self.assertEqual(first, [*expected, "stock set_priority 6 5", "set_priority returned 1"])
        self.assertEqual(second, ["stock set_priority 7 5", "set_priority returned 2", "stock graph_compute",
                                  "stock alloc_graph", "realloc of the engine's handle ids for the engine",
                                  "copy for the engine", "eval of hidden for the engine",
                                  "eval of output for the engine", "stock free"])

    def test_stays_ours_if_the_environment_says_so(self):
        _, first, second = self.parts("become_stock", "ours")
        refused = [STAYS.format("set_priority"), "set_priority returned 0"]
        self.assertEqual(first, refused)
        self.assertEqual(second[:4], [*refused, "ours graph_compute", "ours alloc_graph"])
        self.assertEqual(second[-1], "ours free")

    def test_calls_stock_of_a_stock_scheduler_without_a_warning(self):
        before, first, second = self.parts("become_stock", "stock")
        self.assertEqual(first, ["stock set_priority 6 5", "set_priority returned 1"])
        self.assertEqual(second[0], "stock set_priority 7 5")
        self.assertNotIn("ours", " ".join(before + first + second))

    def test_takes_an_unknown_choice_for_the_default_and_says_so_once(self):
        lines, errors = self.run_with_stderr("two_schedulers", GGML_SCHED="other")
        self.assertEqual(errors[0], "ggml-sched: error: GGML_SCHED is 'other'; it must be ours or stock. The default "
                                    "is used.")
        self.assertEqual(sum("error" in line for line in errors), 1)
        self.assertIn(TAKES_OVER.format("share"), lines)

    def test_reads_a_choice_without_regard_to_case(self):
        for choice in ("Stock", "STOCK"):
            self.assertEqual(self.run_program("answers", choice), self.run_program("answers", "stock"))

    def test_names_the_scheduler_on_stderr_if_a_switch_is_set(self):
        stock = "ggml-sched: made a scheduler: ggml's own"
        self.assertEqual(self.run_with_stderr("answers")[1], [])
        self.assertEqual(self.run_with_stderr("answers", GGML_SCHED="stock")[1], [stock])
        self.assertEqual(self.run_with_stderr("made_by_stock", GGML_SCHED_VERIFY="0")[1], [stock])
        switched = f"{stock}, instead of ggml-sched's, because ggml_backend_sched_set_label was called"
        self.assertEqual(self.run_with_stderr("answers", GGML_SCHED_VERIFY="0")[1], [switched])

    def test_passes_arguments_and_answers(self):
        answers = ["stock set_label some text", "stock set_priority 6 5", "set_priority returned 2", "stock get_report",
                   "report 2 6", "label a label", "10 percent", "20 percent", "watches", "stock free"]
        self.assertEqual(self.run_program("answers"), [f"ours {NEW}", *switch("set_label"), *answers])
        self.assertEqual(self.run_program("answers", "stock"), [f"stock {NEW}", *answers])

    def test_answers_zero_where_it_cannot_pass_on(self):
        self.assertEqual(self.run_program("answers", "ours"), [
            f"ours {NEW}", STAYS.format("set_label"), STAYS.format("set_priority"), "set_priority returned 0",
            STAYS.format("get_report"), "report 0 0", STAYS.format("get_label"), "label NULL", STAYS.format("watch"),
            "does not watch", "ours free"])

    def test_says_that_a_handle_is_null(self):
        for choice, kind in ((None, "ours"), ("stock", "stock")):
            self.assertEqual(self.run_program("null_handle", choice), [
                IS_NULL.format("set_priority"), "set_priority returned 0", IS_NULL.format("get_label"), "label NULL",
                IS_NULL.format("get_report"), "report 0", IS_NULL.format("first_of"), "first NULL", f"{kind} {NEW}",
                IS_NULL.format("share"), "share 0", "ours set_eval_callback NULL of NULL", f"{kind} free"])

    def test_passes_on_calls_with_two_schedulers(self):
        self.assertEqual(self.run_program("two_schedulers"), [
            f"ours {NEW}", f"ours {NEW}", *switch("set_priority"), "stock set_priority 1 5", "set_priority returned 1",
            *switch("share"), "stock share", "share 22", "the same handle", "stock free", "stock free"])

    def test_wraps_a_scheduler_that_stock_has_made(self):
        makes = "stock new 1 2 0 - -"
        made = [makes, "made", "stock set_priority 6 5", "set_priority returned 1", "stock free"]
        warning = "warning: ggml_backend_sched_new_ext is not a function of ggml-sched: the scheduler that it makes " \
                  "is ggml's own. Call ggml_backend_sched_new to get ggml-sched's."
        self.assertEqual(self.run_program("made_by_stock"), [warning, *made, warning, makes, "NULL"])
        self.assertEqual(self.run_program("made_by_stock", "stock"), [*made, makes, "NULL"])
        refused = ["error: ggml_backend_sched_new_ext made no scheduler: it makes ggml's own, and GGML_SCHED=ours asks "
                   "for ggml-sched's. Unset GGML_SCHED, or set it to stock.", "NULL"]
        self.assertEqual(self.run_program("made_by_stock", "ours"), refused + refused)

    def test_passes_on_functions_without_a_scheduler(self):
        for choice in (None, "ours", "stock"):
            self.assertEqual(self.run_program("no_scheduler", choice), ["default 9"])

    def test_keeps_the_contents_of_an_allocated_graph(self):
        _, lines = self.parts("contents")
        expected = switch("set_priority", ["set_tensor_backend hidden 2"], ["stock alloc_graph"])
        self.assertEqual(lines, [*expected, "stock set_priority 6 5", "set_priority returned 1", *CONTENTS[:2],
                                 "output = RRRRRRRR output", CONTENTS[2], "stock graph_compute", "stock free"])

    def test_keeps_the_contents_of_a_graph_that_compute_allocated(self):
        _, lines = self.parts("computed_without_alloc")
        self.assertEqual(lines.count("stock alloc_graph"), 1)
        for line in CONTENTS:
            self.assertIn(line, lines)

    def test_refuses_to_switch_inside_of_a_callback(self):
        inside, outside = self.parts("call_in_callback")
        refused = [RUNS.format("set_priority"), "set_priority returned 0"]
        self.assertEqual(inside, [
            f"ours {NEW}", "ours set_eval_callback function", "ours graph_compute", "ours alloc_graph",
            *refused, *refused, "ours set_eval_callback NULL", "ours set_realloc_callback function", "ours reset",
            "ours alloc_graph", *refused, "ours set_realloc_callback NULL"])
        self.assertEqual(outside[-3:], ["stock set_priority 6 5", "set_priority returned 1", "stock free"])

    def test_reserves_the_sizes_of_our_buffers(self):
        tensors = [f"stock set_tensor_backend {size} bytes {backend}"
                   for size, backend in ((4096, 1), (4096, 1), (8192, 2), (8192, 2))]
        expected = switch("set_priority")
        at = expected.index("ours free") + 1
        self.assertEqual(self.run_program("reserved")[1:-3],
                         [*expected[:at], *tensors, "stock reserve", "stock reset", *expected[at:]])

    def test_stays_ours_if_stock_cannot_be_made(self):
        _, failing, after = self.parts("no_stock")
        self.assertEqual(failing, ["ours synchronize", f"stock {NEW}",
                                   "error: ggml_backend_sched_set_priority did nothing: ggml's scheduler, which alone "
                                   "has it, could not be made.", "set_priority returned 0"])
        self.assertEqual(after, [*CONTENTS[:2], "output = oooooooo output", CONTENTS[2], "ours graph_compute",
                                 "copy for the engine", "eval of hidden for the engine",
                                 "eval of output for the engine", "ours free"])

    def test_makes_ours_again_if_stock_has_no_memory(self):
        _, failing, after = self.parts("no_memory")
        told = [*CALLBACKS, "set_tensor_backend hidden 2"]
        allocation = ["alloc_graph", "realloc of the engine's handle ids for the engine"]
        self.assertEqual(failing, [
            *switch("set_priority", told)[:-1], f"stock {allocation[0]}", allocation[1], "stock free", f"ours {NEW}",
            *(f"ours {line}" for line in told), f"ours {allocation[0]}", allocation[1],
            f"{NO_MEMORY}. The scheduler stays ggml-sched's, with the defaults of what ggml-sched.h can set.",
            "set_priority returned 0"])
        self.assertEqual(after, self.parts("no_stock")[2])

    def test_refuses_to_switch_while_it_switches(self):
        _, lines = self.parts("call_while_switching")
        again = lines[lines.index("stock free"):]
        self.assertEqual(again[:3], ["stock free", f"ours {NEW}", "ours set_realloc_callback function"])
        self.assertEqual(again[3:6], ["ours alloc_graph", RUNS.format("set_priority"), "set_priority returned 0"])
        self.assertEqual(again[-1], "ours free")

    def test_takes_over_the_graph_that_was_computed_last(self):
        for scenario in ("other_graph", "same_address"):
            with self.subTest(scenario=scenario):
                _, lines = self.parts(scenario)
                self.assertEqual(lines[:7], switch("set_priority", ["set_tensor_backend hidden 2"], ["stock alloc_graph"]))
                for line in CONTENTS:
                    self.assertIn(line, lines)

    def test_says_what_is_left_if_ours_has_no_memory_either(self):
        _, failing, after = self.parts("no_memory_at_all")
        self.assertEqual(failing[-2:], [f"{NO_MEMORY}, nor did ggml-sched's. Free memory and allocate the graph again.",
                                        "set_priority returned 0"])
        self.assertEqual(after[:2], ["ours graph_compute", "ours alloc_graph"])
        _, failing, after = self.parts("nothing_left")
        self.assertEqual(failing[-2:], [f"{NO_MEMORY}, and ggml-sched's could not be made again. Free this scheduler "
                                        "and make another.", "set_priority returned 0"])
        self.assertEqual(after, ["ours graph_compute of NULL", "ours free"])

    def test_gives_the_realloc_callback_the_engines_handle(self):
        for choice, kind in ((None, "ours"), ("stock", "stock")):
            lines = self.run_program("realloc_callback", choice)
            self.assertEqual(lines[4:], [
                f"{kind} alloc_graph", "realloc of the engine's handle ids for the engine", f"{kind} reset",
                f"{kind} set_realloc_callback NULL", f"{kind} alloc_graph", f"{kind} free"])

    def test_forgets_what_ours_forgets(self):
        scenarios = "\n".join(self.run_program("forgotten")).split("\n- ")[1:]
        self.assertEqual(len(scenarios), 8)
        for scenario in scenarios:
            name, *lines = scenario.split("\n")
            with self.subTest(name=name):
                self.assertEqual(lines[:6], [*switch("set_priority"), "stock set_priority 6 5"])
        _, lines = self.parts("split_graph")
        self.assertEqual(lines[:6], switch("set_priority", ["set_tensor_backend hidden 2"]))


if __name__ == "__main__":
    unittest.main()

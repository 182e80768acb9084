// Switches - the environment variables GGML_SCHED and GGML_SCHED_*. One parser reads them all. It compares words
// without regard to case, takes an empty value for none, and calls a value that it does not know an error.
//
// The functions write to stderr, because engines hide lines of the log. They write each line once per process.
// Any thread may call them.

#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>

namespace ggml_sched::host {

// SwitchWord - one word that a switch may be, in lower case, and its value.
struct SwitchWord {
    const char * text;
    size_t value;
};

// Returns the value of an environment variable; "" if it is not set.
std::string value_of_switch(const char * name);

// Returns the value of the word in the environment; `by_default` if there is no word, or an unknown one.
// `words_in_text` tells the user which words there are.
size_t read_switch(const char * name, const char * words_in_text, std::initializer_list<SwitchWord> words,
                   size_t by_default);
// Reads a switch that is on or off.
bool read_on_off(const char * name, bool by_default);
// Reads a switch that has the levels 0, 1 and 2.
int read_level(const char * name, int by_default);

// Choice - the scheduler that GGML_SCHED asks for.
enum class Choice { Default, Ours, Stock };

// Reads GGML_SCHED. Only the drop-in can choose ggml's own scheduler: elsewhere Stock is an unknown value.
Choice read_choice();

// Says which scheduler was made, if the user has set a switch. Says nothing if memory runs out.
void announce_scheduler(const char * scheduler) noexcept;

} // namespace ggml_sched::host

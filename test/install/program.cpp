// SPDX-License-Identifier: MIT
// program.cpp - a stranger's program in C++: it ends with 0 if all went as promised.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

#include <hascall/calls.h>

namespace
{

void must(bool is_so, const char *what)
{
	if (!is_so) {
		std::printf("%s\n", what);
		std::exit(1);
	}
}

struct closer {
	void operator()(struct hascall *h) const { hascall_close(h); }
};
using area = std::unique_ptr<struct hascall, closer>;

area open_area(uint32_t entries)
{
	struct hascall_options options = {};
	struct hascall *h = nullptr;

	options.size = sizeof(options);
	options.entries = entries;
	must(hascall_open(&h, &options) == 0, "open");
	return area(h);
}

void sizes_of_many_files_come_back(struct hascall *h)
{
	const std::vector<std::string> names = { "/proc/self/exe", "/proc/self/maps", "/nothing" };
	std::vector<struct stat> status(names.size());
	std::vector<struct hascall_call> calls;
	std::vector<int64_t> results(names.size(), 1);

	for (std::size_t i = 0; i < names.size(); i++) {
		calls.push_back(hascall_call_newfstatat(AT_FDCWD, names[i].c_str(), &status[i], 0));
		hascall_user_data(&calls[i], i);
	}
	must(hascall_submit(h, calls.data(), 3, 0, nullptr) == 0, "submit");
	must(hascall_wait_all(h, HASCALL_ALL_GROUPS, -1, HASCALL_HELP) == 0, "wait_all");
	hascall_reap(
		h,
		[](void *ctx, uint64_t user_data, int64_t ret) {
			static_cast<std::vector<int64_t> *>(ctx)->at(user_data) = ret;
		},
		&results);
	must(results[0] == 0 && results[1] == 0 && results[2] == -ENOENT, "results");
	must(status[0].st_size > 0, "fstatat wrote no size");
}

void a_chain_ends_where_it_fails(struct hascall *h)
{
	static char seen[16];
	struct hascall_call calls[] = {
		hascall_call_open("/nothing", O_RDONLY, 0),
		hascall_call_read(0, seen, sizeof(seen)),
	};
	uint64_t tickets[2];
	int64_t result = 0;

	hascall_from(hascall_chain_all(calls, 2) + 1, 0, 1);
	must(hascall_submit(h, calls, 2, 0, tickets) == 0, "submit");
	must(hascall_wait(h, tickets[1], -1, 0, &result) == 0 && result == -ECANCELED, "read");
	must(hascall_wait(h, tickets[0], -1, 0, &result) == 0 && result == -ENOENT, "open");
}

} // namespace

int main()
{
	const area h = open_area(8);

	sizes_of_many_files_come_back(h.get());
	a_chain_ends_where_it_fails(h.get());
	return 0;
}

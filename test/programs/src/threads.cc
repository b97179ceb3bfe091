// threads.cc - threads in C++: every result printed is the same at each run.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

static thread_local int mine = 1;

static void many_adders()
{
	std::atomic<long> atomic{0};
	long locked = 0;
	std::mutex m;
	std::vector<std::thread> all;

	for (int t = 0; t < 32; t++)
		all.emplace_back([&, t] {
			mine += t;
			for (int i = 0; i < 5000; i++) {
				atomic++;
				std::lock_guard<std::mutex> hold(m);
				locked += mine - t;
			}
		});
	for (auto &t : all)
		t.join();
	std::cout << "atomic " << atomic << " locked " << locked << " mine " << mine << std::endl;
}

static void ping_pong()
{
	std::mutex m;
	std::condition_variable c;
	int turn = 0, rounds = 0;
	auto play = [&](int me) {
		for (int i = 0; i < 3000; i++) {
			std::unique_lock<std::mutex> hold(m);
			c.wait(hold, [&] { return turn == me; });
			turn = 1 - me;
			rounds++;
			c.notify_one();
		}
	};
	std::thread a(play, 0), b(play, 1);

	a.join();
	b.join();
	std::cout << "rounds " << rounds << std::endl;
}

static void futures_and_exceptions()
{
	std::vector<std::future<int>> all;

	for (int n = 0; n < 40; n++)
		all.push_back(std::async(std::launch::async, [n]() -> int {
			if (n % 10 == 9)
				throw std::runtime_error("thrown by " + std::to_string(n));
			std::this_thread::sleep_for(std::chrono::milliseconds(n % 3));
			return n;
		}));
	int sum = 0;
	for (auto &f : all) {
		try {
			sum += f.get();
		} catch (const std::exception &e) {
			std::cout << e.what() << std::endl;
		}
	}
	std::cout << "sum " << sum << std::endl;
}

static void files_from_threads()
{
	std::vector<std::thread> all;

	for (int t = 0; t < 8; t++)
		all.emplace_back([t] {
			for (int i = 0; i < 20; i++) {
				std::string name = "file." + std::to_string(t) + "." + std::to_string(i);
				std::ofstream(name) << t * i << "\n";
				int back = -1;
				std::ifstream(name) >> back;
				if (back != t * i || std::remove(name.c_str()) != 0)
					std::cerr << "lost " << name << std::endl;
			}
		});
	for (auto &t : all)
		t.join();
	std::ofstream("written") << "done\n";
}

static void short_lived()
{
	std::atomic<int> count{0};

	for (int i = 0; i < 500; i++) {
		std::thread t([&] { count++; });
		if (i % 5)
			t.join();
		else
			t.detach();
	}
	while (count < 500)
		std::this_thread::yield();
	std::cout << "threads " << count << std::endl;
}

int main()
{
	many_adders();
	ping_pong();
	futures_and_exceptions();
	files_from_threads();
	short_lived();
	std::vector<int> numbers(300000);
	std::iota(numbers.begin(), numbers.end(), 0);
	std::sort(numbers.begin(), numbers.end(), std::greater<int>());
	std::cout << numbers.front() << " " << numbers.back() << std::endl;
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Microseconds by which a packet may leave before or after the time that is written. */
	TOLERANCE = 2000,
	LINE_MAX_LEN = 512,
	/* The peer's: less than the link's own of either family, so that segments are alike. */
	PLAY_MSS = 1400,
};

void play_fail(struct play *play, const char *format, ...)
{
	int used =
		snprintf(play->message, sizeof(play->message), "%s:%u: ", play->file, play->line);
	va_list list;

	va_start(list, format);
	vsnprintf(play->message + used, sizeof(play->message) - (size_t)used, format, list);
	va_end(list);
	longjmp(play->failed, 1);
}

/* The host and its clock */

static void *counted_alloc(void *context, size_t size)
{
	struct play *play = context;
	void *memory = malloc(size);

	if (memory)
		play->memory += size;
	return memory;
}

static void counted_free(void *context, void *memory, size_t size)
{
	struct play *play = context;

	play->memory -= size;
	free(memory);
}

static void need_host(struct play *play)
{
	if (play->host)
		return;
	play->config.stack.memory = (struct cothon_memory){counted_alloc, counted_free, play};
	play->config.stack.now = play->now;
	if (cothon_host_create(&play->config, &play->host))
		play_fail(play, "the host cannot be made");
	for (int i = 0; i < 2; i++) {
		struct cothon_addr addr;

		play->ipv6 = !play->ipv6;
		addr = packet_address(play, "host");
		if (cothon_stack_add_address(cothon_host_stack(play->host), &addr))
			play_fail(play, "the host takes no address");
	}
	play_poll(play);
}

/* Puts what leaves into the list of what has left. */
static void drain(struct play *play)
{
	ptrdiff_t len;

	while ((len = cothon_host_output(play->host, play->packet, sizeof(play->packet))) >= 0) {
		struct left *left = malloc(sizeof(*left) + (size_t)len);

		if (!left)
			abort();
		*left = (struct left){.at = play->now, .len = (size_t)len};
		memcpy(left->data, play->packet, (size_t)len);
		*play->last = left;
		play->last = &left->next;
		packet_learn(play, left);
	}
}

void play_poll(struct play *play)
{
	do {
		play->deadline = cothon_host_poll(play->host, play->now);
		drain(play);
	} while (play->deadline <= play->now);
}

static void drop_first(struct play *play)
{
	struct left *left = play->first;

	play->first = left->next;
	if (!play->first)
		play->last = &play->first;
	free(left);
}

static void need_silence(struct play *play, const char *why)
{
	char got[400];

	if (!play->first)
		return;
	packet_describe(play, play->first, got, sizeof(got));
	play_fail(play, "expected nothing %s\n  got      %s, at +%.3f", why, got,
		  (double)(int64_t)(play->first->at - play->now) / PLAY_SECOND);
}

/* Lets time pass up to `until`, or until a packet has left. */
static void pass_time(struct play *play, uint64_t until, bool stop_at_packet)
{
	while (play->deadline <= until && !(stop_at_packet && play->first)) {
		if (play->deadline > play->now)
			play->now = play->deadline;
		play_poll(play);
	}
	if (stop_at_packet && play->first)
		return;
	play->now = until;
	play_poll(play);
}

/* Flows */

static void select_flow(struct play *play, uint16_t port, bool anew)
{
	struct play_flow *flow = NULL;

	for (unsigned i = 0; i < play->flow_count && !flow; i++) {
		if (play->flows[i].peer_port == port)
			flow = &play->flows[i];
	}
	if (!flow) {
		if (play->flow_count == PLAY_FLOWS)
			play_fail(play, "more than %d flows", PLAY_FLOWS);
		flow = &play->flows[play->flow_count++];
		anew = true;
	}
	play->flow = flow;
	if (!anew)
		return;
	if (flow->socket)
		cothon_socket_close(flow->socket);
	*flow = (struct play_flow){.host_port = PLAY_HOST_PORT,
				   .peer_port = port,
				   .iss = play->peer.iss,
				   .written = 1,
				   .read = 1};
}

/* What is looked at from outside */

static void need_state(struct play *play, struct words *words)
{
	const char *wanted = words_take(play, words, "a state");
	const struct cothon_tcp *tcp = cothon_socket_tcp(app_socket(play));
	struct cothon_tcp_info info = {.state = COTHON_TCP_CLOSED};

	if (tcp)
		cothon_tcp_info(tcp, &info);
	if (strcmp(wanted, cothon_tcp_state_name(info.state)) != 0)
		play_fail(play, "expected the state %s\n  got                %s", wanted,
			  cothon_tcp_state_name(info.state));
}

static uint64_t quantity(struct play *play, const char *name)
{
	const struct cothon_counters *counters =
		cothon_stack_counters(cothon_host_stack(play->host));
	struct cothon_tcp_info info;

	if (strcmp(name, "memory") == 0)
		return play->memory;
#define COUNTER(counter, text)           \
	if (strcmp(name, #counter) == 0) \
		return counters->counter;
	COTHON_COUNTERS(COUNTER)
#undef COUNTER
	if (!play->flow->socket || !cothon_socket_tcp(play->flow->socket))
		play_fail(play, "there is no %s, or no connection", name);
	cothon_tcp_info(cothon_socket_tcp(play->flow->socket), &info);
	if (strcmp(name, "cwnd") == 0)
		return info.cwnd;
	if (strcmp(name, "mss") == 0)
		return info.mss;
	if (strcmp(name, "srtt") == 0)
		return info.srtt;
	if (strcmp(name, "rto") == 0)
		return info.rto;
	if (strcmp(name, "retransmits") == 0)
		return info.retransmits;
	play_fail(play, "there is no %s", name);
}

/* "is NAME 5" or "is NAME 5 to 10": a counter of the host, or a quantity of the connection. */
static void need_quantity(struct play *play, struct words *words)
{
	const char *name = words_take(play, words, "what");
	uint64_t first = words_number(play, words), last = first;
	uint64_t got = quantity(play, name);

	if (words_if(words, "to"))
		last = words_number(play, words);
	words_end(play, words);
	if (got < first || got > last)
		play_fail(play, "expected %s to be %ju to %ju\n  got      %ju", name,
			  (uintmax_t)first, (uintmax_t)last, (uintmax_t)got);
}

/* What is said before */

static void set_host(struct play *play, struct words *words)
{
	struct cothon_stack_config *stack = &play->config.stack;

	if (play->host)
		play_fail(play, "what the host is like is to be said before it does anything");
	while (words->at < words->count) {
		if (words_if(words, "mtu"))
			play->config.mtu = (uint32_t)words_number(play, words);
		else if (words_if(words, "receive"))
			stack->max_receive = (uint32_t)words_number(play, words);
		else if (words_if(words, "send"))
			stack->max_send = (uint32_t)words_number(play, words);
		else if (words_if(words, "half-open"))
			stack->max_half_open = (uint32_t)words_number(play, words);
		else if (words_if(words, "fragments"))
			stack->max_fragments = (uint32_t)words_number(play, words);
		else if (words_if(words, "icmp-rate"))
			stack->icmp_rate = (uint32_t)words_number(play, words);
		else if (words_if(words, "timeout"))
			stack->user_timeout = (uint32_t)words_number(play, words);
		else if (words_if(words, "newreno"))
			stack->congestion = "newreno";
		else if (words_if(words, "noecn"))
			stack->ecn = COTHON_ECN_OFF;
		else if (words_if(words, "ecn"))
			stack->ecn = COTHON_ECN_REQUEST;
		else
			words_end(play, words);
	}
}

static void set_peer(struct play *play, struct words *words)
{
	struct peer_options *peer = &play->peer;

	while (words->at < words->count) {
		if (words_if(words, "iss")) {
			peer->iss = (uint32_t)words_number(play, words);
			play->flow->iss = peer->iss;
		} else if (words_if(words, "win")) {
			peer->window = (uint32_t)words_number(play, words);
		} else if (words_if(words, "mss")) {
			peer->has_mss = true;
			peer->mss = (uint16_t)words_number(play, words);
		} else if (words_if(words, "nomss")) {
			peer->has_mss = false;
		} else if (words_if(words, "scale")) {
			peer->has_scale = true;
			peer->scale = (uint8_t)words_number(play, words);
		} else if (words_if(words, "sackok")) {
			peer->sack = true;
		} else if (words_if(words, "ts")) {
			peer->timestamps = true;
		} else if (words_if(words, "clock")) {
			peer->ts_base = (uint32_t)words_number(play, words);
		} else {
			words_end(play, words);
		}
	}
}

/* Openings that many cases begin with, in the notation itself. */

#define OPEN             \
	"app listen\n"   \
	"< S 0\n"        \
	"> SA 0 ack 1\n" \
	"< A 1 ack 1\n"  \
	"app accept\n"
#define FIN_WAIT_1 OPEN "app shutdown\n> FA 1 ack 1\n"
#define FIN_WAIT_2 FIN_WAIT_1 "< A 1 ack 2\n"
#define CLOSE_WAIT OPEN "< FA 1 ack 1\n> A 1 ack 2\n"

static const struct {
	const char *state, *lines;
} openings[] = {
	{"ESTABLISHED", OPEN},
	{"FIN-WAIT-1", FIN_WAIT_1},
	{"FIN-WAIT-2", FIN_WAIT_2},
	{"CLOSE-WAIT", CLOSE_WAIT},
	{"CLOSING", FIN_WAIT_1 "< FA 1 ack 1\n> A 2 ack 2\n"},
	{"LAST-ACK", CLOSE_WAIT "app shutdown\n> FA 1 ack 2\n"},
	{"TIME-WAIT", FIN_WAIT_2 "< FA 1 ack 2\n> A 2 ack 2\n"},
	{"CONNECTED", "app connect\n> S 0\n< SA 0 ack 1\n> A 1 ack 1\n"},
};

static void enter(struct play *play, struct words *words)
{
	const char *state = NULL;

	if (words->count - words->at > 1)
		play->choices = words->count - words->at;
	words->at += play->choices > 1 ? play->choice : 0;
	state = words_take(play, words, "a state");
	for (unsigned i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		if (strcmp(openings[i].state, state) == 0) {
			play->opening = openings[i].lines;
			return;
		}
	}
	play_fail(play, "no way leads to the state %s", state);
}

/* Packets */

static void skip(struct play *play)
{
	while (play->first)
		drop_first(play);
}

/* "repeat N [seq STEP] [port STEP] < ...": many like it; what leaves meanwhile is looked away from. */
static void repeat(struct play *play, struct words *words)
{
	uint64_t times = words_number(play, words);
	uint32_t step = words_if(words, "seq") ? (uint32_t)words_number(play, words) : 0;
	uint16_t port = words_if(words, "port") ? (uint16_t)words_number(play, words) : 0;

	if (!words_if(words, "<"))
		play_fail(play, "\"<\" is missing");
	need_host(play);
	need_silence(play, "before this");
	for (uint64_t i = 0; i < times; i++) {
		packet_arrives(play, *words, (uint32_t)i * step, (uint16_t)(i * port));
		play_poll(play);
		skip(play);
	}
}

/* "+S answer < ...": as long as this lasts, the peer answers every packet so. */
static void answer(struct play *play, struct words *words, uint64_t until)
{
	if (!words_if(words, "<"))
		play_fail(play, "\"<\" is missing");
	need_silence(play, "before this");
	while (play->now < until) {
		pass_time(play, until, true);
		if (!play->first)
			continue;
		skip(play);
		packet_arrives(play, *words, 0, 0);
		play_poll(play);
	}
	skip(play);
}

static void expect(struct play *play, struct words *words, uint64_t earliest, uint64_t latest)
{
	need_host(play);
	if (!play->first)
		pass_time(play, latest + TOLERANCE, true);
	if (!play->first) {
		char wanted[400] = "";

		for (unsigned i = words->at, used = 0; i < words->count && used < sizeof(wanted);
		     i++)
			used += (unsigned)snprintf(wanted + used, sizeof(wanted) - used, " %s",
						   words->word[i]);
		play_fail(play, "expected%s\n  got      nothing", wanted);
	}
	packet_expect(play, *words, play->first);
	if (play->first->at + TOLERANCE < earliest || play->first->at > latest + TOLERANCE)
		play_fail(play, "it left %.3f s %s than written",
			  (double)(play->first->at < earliest ? earliest - play->first->at
							      : play->first->at - latest) /
				  PLAY_SECOND,
			  play->first->at < earliest ? "earlier" : "later");
	drop_first(play);
}

static void arrive(struct play *play, struct words *words, bool alone)
{
	need_host(play);
	need_silence(play, "before this arrives");
	packet_arrives(play, *words, 0, 0);
	if (alone)
		play_poll(play);
}

/* "+1", "+1~2": when, from now. */
static void parse_when(struct play *play, char *word, uint64_t *earliest, uint64_t *latest)
{
	char *range = strchr(word, '~');

	if (range)
		*range++ = 0;
	*earliest = play->now + words_seconds(play, word + 1);
	*latest = range ? play->now + words_seconds(play, range) : *earliest;
}

/* Lines that are no packets and no calls. */
static void other(struct play *play, struct words *words)
{
	const char *command = words_take(play, words, "a command");

	if (strcmp(command, "host") == 0) {
		set_host(play, words);
	} else if (strcmp(command, "peer") == 0) {
		set_peer(play, words);
	} else if (strcmp(command, "enter") == 0) {
		enter(play, words);
	} else if (strcmp(command, "repeat") == 0) {
		repeat(play, words);
	} else if (strcmp(command, "state") == 0) {
		need_state(play, words);
	} else if (strcmp(command, "is") == 0) {
		need_host(play);
		need_quantity(play, words);
	} else if (strcmp(command, "flow") == 0) {
		uint16_t port = (uint16_t)words_number(play, words);

		select_flow(play, port, words_if(words, "new"));
		words_end(play, words);
	} else if (strcmp(command, "datagram") == 0) {
		packet_datagram(play, words);
	} else if (strcmp(command, "skip") == 0) {
		skip(play);
	} else {
		play_fail(play, "\"%s\" is not understood", command);
	}
}

static void app_line(struct play *play, struct words *words)
{
	need_host(play);
	need_silence(play, "before the application does this");
	app_call(play, words);
}

static bool looks_away(const struct words *words)
{
	return words->at < words->count && strcmp(words->word[words->at], "skip") == 0;
}

static void play_line(struct play *play, char *line)
{
	struct words words = {.count = 0};
	uint64_t earliest = play->now, latest = play->now;
	bool waits;

	for (char *word = strtok(line, " \t"); word && *word != '#'; word = strtok(NULL, " \t")) {
		if (words.count == PLAY_WORDS)
			play_fail(play, "more than %d words", PLAY_WORDS);
		words.word[words.count++] = word;
	}
	if (words.count == 0 || words_if(&words, play->ipv6 ? "ipv4" : "ipv6"))
		return;
	words_if(&words, play->ipv6 ? "ipv6" : "ipv4");
	waits = words.at < words.count && words.word[words.at][0] == '+';
	if (waits) {
		parse_when(play, words_next(&words), &earliest, &latest);
		need_host(play);
	}
	if (words_if(&words, ">")) {
		expect(play, &words, earliest, latest);
		return;
	}
	if (words_if(&words, "answer")) {
		answer(play, &words, latest);
		return;
	}
	if (waits) {
		if (!looks_away(&words))
			need_silence(play, "before time passes");
		pass_time(play, latest, false);
		if (words.at == words.count)
			return;
	}
	if (words_if(&words, "<"))
		arrive(play, &words, true);
	else if (words_if(&words, "<<"))
		arrive(play, &words, false);
	else if (words_if(&words, "app"))
		app_line(play, &words);
	else if (words_if(&words, "quiet"))
		need_silence(play, "");
	else
		other(play, &words);
}

/* The case as a whole */

static void begin(struct play *play)
{
	play->now = PLAY_SECOND;
	play->peer = (struct peer_options){
		.window = 65535, .has_mss = true, .mss = PLAY_MSS, .ts_base = 1000000};
	play->last = &play->first;
	select_flow(play, PLAY_PEER_PORT, false);
}

static void end(struct play *play)
{
	if (play->host)
		cothon_host_destroy(play->host);
	skip(play);
}

/* Plays the line at *text, which then is the next one. */
static void play_next(struct play *play, const char **text, const char *stop)
{
	const char *end = memchr(*text, '\n', (size_t)(stop - *text));
	char line[LINE_MAX_LEN];
	size_t len;

	end = end ? end : stop;
	len = (size_t)(end - *text);
	if (len >= sizeof(line))
		play_fail(play, "the line is too long");
	memcpy(line, *text, len);
	line[len] = 0;
	*text = end < stop ? end + 1 : stop;
	play_line(play, line);
}

/* The lines of a case, one time through. */
static void play_all(struct play *play, const char *text, const char *stop)
{
	while (text < stop) {
		play_next(play, &text, stop);
		/* That line may have been one that stands for others. */
		for (const char *at = play->opening; at && *at;)
			play_next(play, &at, at + strlen(at));
		play->opening = NULL;
		play->line++;
	}
	play->line--;
	need_silence(play, "at the end");
}

bool play_case(struct play *play, const char *file, unsigned line, const char *text,
	       const char *stop, bool ipv6)
{
	volatile unsigned choice = 0;
	volatile bool good;

	do {
		memset(play, 0, sizeof(*play));
		play->file = file;
		play->line = line;
		play->ipv6 = ipv6;
		play->choice = choice;
		play->choices = 1;
		good = false;
		if (setjmp(play->failed) == 0) {
			begin(play);
			play_all(play, text, stop);
			good = true;
		}
		end(play);
		if (good && play->memory) {
			snprintf(play->message, sizeof(play->message),
				 "%s:%u: %zu bytes of memory are left", file, line, play->memory);
			return false;
		}
	} while (good && ++choice < play->choices);
	if (!good && play->choices > 1)
		snprintf(play->message + strlen(play->message),
			 sizeof(play->message) - strlen(play->message), "\n  in state %u of %u",
			 choice + 1, play->choices);
	return good;
}

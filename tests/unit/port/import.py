#!/usr/bin/env python3
"""TAP: what scripts/import-services makes of registries in both of their forms.

  import.py IMPORTER
"""

import subprocess
import sys
import tempfile

IANA_HEADER = ("Service Name,Port Number,Transport Protocol,Description,Assignee,Contact,"
               "Registration Date,Modification Date,Reference,Service Code,"
               "Unauthorized Use Reported,Assignment Notes\n")
FOUR_HEADER = "service,port,transport,description\n"

CASES = [
    ("IANA's own form",
     IANA_HEADER + '''\
,0,tcp,Reserved,[Jon_Postel],[Jon_Postel],,,,,,
http,80,tcp,World Wide Web HTTP,,,,,,,,"a note
over two lines, with a comma"
http,80,udp,World Wide Web HTTP,,,,,,,,
x11,6000-6063,tcp,X Window System,[Stephen_Gildea],[Stephen_Gildea],,,,,,
discard,9,dccp,Discard,[Eddie_Kohler],[Eddie_Kohler],,,[RFC4340],1145656131,,
srv-only,,tcp,a service without a port,,,,,,,,
''',
     ["discard\t9\tdccp\tDiscard",
      "http\t80\ttcp,udp\tWorld Wide Web HTTP",
      "x11\t6000-6063\ttcp\tX Window System"]),
    ("four columns in another order, a byte order mark, line ends of DOS",
     "\ufeffport,service,description,transport\r\n80,http,Web,tcp\r\n", ["http\t80\ttcp\tWeb"]),
    ("names of one port in their order, transports joined only where that keeps it",
     FOUR_HEADER +
     "a,7,tcp,A\nb,7,udp,B\na,7,udp,A\nb,7,tcp,B\nc,7,tcp,C\nc,7,sctp,C\nc,7,udp,other\n",
     ["a\t7\ttcp\tA", "b\t7\ttcp,udp\tB", "a\t7\tudp\tA", "c\t7\ttcp,sctp\tC", "c\t7\tudp\tother"]),
    ("no transport is TCP and UDP",
     FOUR_HEADER + "boe,6400,,Business\n", ["boe\t6400\ttcp,udp\tBusiness"]),
    ("ports in order, whatever the file's",
     FOUR_HEADER + "b,90,tcp,\na,9,tcp,\n", ["a\t9\ttcp\t", "b\t90\ttcp\t"]),
    ("a repeated line is one",
     FOUR_HEADER + "a,9,tcp,A\na,9,tcp,A\n", ["a\t9\ttcp\tA"]),
    ("descriptions: ASCII, one line, cut at a clause or a word",
     FOUR_HEADER +
     "a,1,tcp,FORT\u00c9 Vision\n"
     'b,2,tcp,"two\n  lines"\n'
     'c,3,tcp,"Something IANA assigned this well-formed service name as a replacement '
     'for ""c_d""."\n'
     "d,4,tcp,A clause of some length stands here. " + "more " * 20 + "\n"
     "e,5,tcp," + "word " * 13 + "and the rest of it, which is long\n",
     ["a\t1\ttcp\tFORTE Vision", "b\t2\ttcp\ttwo lines", "c\t3\ttcp\tSomething",
      "d\t4\ttcp\tA clause of some length stands here",
      "e\t5\ttcp\t" + " ".join(["word"] * 13)]),
    ("refused: a port out of range", FOUR_HEADER + "a,65536,tcp,\n", None),
    ("refused: a range that goes backwards", FOUR_HEADER + "a,9-8,tcp,\n", None),
    ("refused: an unknown transport", FOUR_HEADER + "a,9,tcpx,\n", None),
    ("refused: a name of 16 characters", FOUR_HEADER + "a" * 16 + ",9,tcp,\n", None),
    ("refused: a name without a letter", FOUR_HEADER + "123,9,tcp,\n", None),
    ("refused: a column is missing", "service,port,description\na,9,\n", None),
]


def imported(importer, text):
    """The lines that the importer writes, or None when it refuses and says why."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".csv") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([importer, file.name], capture_output=True, text=True)
    if done.returncode:
        return None if done.stderr.startswith("import-services: ") else done.stderr.splitlines()
    return done.stdout.splitlines()


def main():
    print(f"1..{len(CASES)}")
    for number, (name, text, expected) in enumerate(CASES, 1):
        lines = imported(sys.argv[1], text)
        print("ok" if lines == expected else "not ok", number, "-", name)
        if lines != expected:
            print(f"# expected {expected}\n# had      {lines}")


main()

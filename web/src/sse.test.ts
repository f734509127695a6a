import { expect, test } from "vitest";
import { parser, read, type Message } from "./sse";

function all(...pieces: string[]): Message[] {
  const got: Message[] = [];
  const feed = parser((m) => got.push(m));
  pieces.forEach(feed);
  return got;
}

test("a message has its event, id and data", () => {
  expect(all("event: fact\nid: 7\ndata: {\"a\":1}\n\n")).toEqual([{ event: "fact", id: "7", data: '{"a":1}' }]);
});
test("it may come in any pieces", () => {
  const text = ": hello\n\nevent: fact\nid: 7\ndata: a\ndata: b\n\ndata:c\n\n";
  expect(all(...text)).toEqual(all(text));
  expect(all(text).map((m) => m.data)).toEqual(["a\nb", "c"]);
});
test("line ends of all kinds are line ends", () => {
  expect(all("data: x\r\n\r\ndata: y\r", "\n\r\n").map((m) => m.data)).toEqual(["x", "y"]);
});
test("what is not whole is not delivered", () => expect(all("data: x\n")).toEqual([]));
test("comments and fields that nobody knows are passed over", () => expect(all(": c\nretry: 5\nfoo\ndata: x\n\n")).toEqual([{ event: "message", data: "x", id: undefined }]));
test("the id stays until there is another", () => expect(all("id: 1\ndata: a\n\ndata: b\n\n").map((m) => m.id)).toEqual(["1", "1"]));
test("a response is read to its end", async () => {
  const got: Message[] = [];
  await read(new Response("data: a\n\ndata: ü\n\n"), (m) => got.push(m));
  expect(got.map((m) => m.data)).toEqual(["a", "ü"]);
});

// Chat completions under openai-node: node chat.mjs BASE_URL MODEL KIND, with KIND `scripted` or `real`.
import assert from "node:assert/strict";
import OpenAI from "openai";

const [baseURL, model, kind] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const parameters = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
const person = {
  type: "json_schema",
  json_schema: {
    name: "person",
    strict: true,
    schema: {
      type: "object",
      properties: { name: { type: "string" }, age: { type: "integer" } },
      required: ["name", "age"],
      additionalProperties: false,
    },
  },
};

const names = [];
for await (const entry of client.models.list()) names.push(entry.id);
assert(names.includes(model), `${names}`);
assert.equal((await client.models.retrieve(model)).object, "model");

/** The text of a stream and the chunks that it came in. */
async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
  return { text, chunks };
}

if (kind === "scripted") {
  const whole = await client.chat.completions.create({ model, messages: user("please count") });
  assert.equal(whole.choices[0].message.content, "one two three");
  const { text, chunks } = await read(
    await client.chat.completions.create({
      model,
      messages: user("please count"),
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
  assert.equal(text, "one two three");
  assert.equal(chunks.at(-1).usage.completion_tokens, 3);

  const given = [];
  const runner = client.chat.completions.runTools({
    model,
    messages: user("How is the weather?"),
    stream: true,
    tools: [
      {
        type: "function",
        function: {
          name: "get_weather",
          description: "The weather of the next days.",
          parameters,
          parse: JSON.parse,
          function: (asked) => {
            given.push(asked);
            return { degrees: 17 };
          },
        },
      },
    ],
  });
  assert.equal(await runner.finalContent(), "It will be 17 degrees.");
  assert.deepEqual(given, [{ city: "Köln", days: 2 }]);

  const parsed = await client.chat.completions.parse({
    model,
    messages: user("Name a person."),
    response_format: person,
  });
  assert.equal(JSON.parse(parsed.choices[0].message.content).name, "Ada");

  await assert.rejects(
    client.chat.completions.create({ model, messages: user("x"), temperature: 3 }),
    (error) =>
      error instanceof OpenAI.BadRequestError && error.code === "invalid_input" && error.param === "temperature",
  );
  await assert.rejects(
    client.chat.completions.create({ model: "nobody", messages: user("x") }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === "agent_not_found",
  );
  await assert.rejects(
    client.chat.completions.create({ model, messages: user("break"), stream: true }).then(read),
    (error) => error instanceof OpenAI.APIError && error.code === "model_truncated",
  );
} else {
  const messages = user("What is the capital of France? Answer in one word.");
  const asked = { model, messages, temperature: 0, max_completion_tokens: 32 };
  const whole = await client.chat.completions.create(asked);
  assert.match(whole.choices[0].message.content, /Paris/);
  const { text, chunks } = await read(await client.chat.completions.create({ ...asked, stream: true }));
  assert.equal(text, whole.choices[0].message.content);
  assert(chunks.length > 2);

  const structured = await client.chat.completions.create({
    ...asked,
    messages: user("Invent a person."),
    response_format: person,
  });
  const made = JSON.parse(structured.choices[0].message.content);
  assert.equal(typeof made.name, "string");
  assert(Number.isInteger(made.age));

  const forced = await client.chat.completions.create({
    ...asked,
    max_completion_tokens: 64,
    messages: user("How is the weather in Paris in the next 3 days?"),
    tools: [{ type: "function", function: { name: "get_weather", parameters } }],
    tool_choice: "required",
  });
  const [call] = forced.choices[0].message.tool_calls;
  assert.equal(call.function.name, "get_weather");
  assert.equal(typeof JSON.parse(call.function.arguments).city, "string");

  // Who leaves in the middle can come back.
  const stream = await client.chat.completions.create({ ...asked, messages: user("Count to 1000."), stream: true });
  for await (const _ of stream) break;
  assert.match((await client.chat.completions.create(asked)).choices[0].message.content, /Paris/);
}
console.log("ok");

// Runs the loop of BinderHub's client, as a page does, and writes each event as a line of JSON.
//
// Its only argument is JSON: {"spec": "gh/…", "endpoint": "https://…/build", "options": {…}}. The
// loop is closed after an event in the phase "until"; a client that works then ends by itself.
import { BinderRepository } from "@jupyterhub/binderhub-client/client.js";

// What the client expects of a browser, beside what node has itself.
globalThis.window = globalThis;
globalThis.document = Object.assign(new EventTarget(), { cookie: "" });

const { spec, endpoint, options, until } = JSON.parse(process.argv[2]);
const repository = new BinderRepository(spec, new URL(endpoint), options);
for await (const event of repository.fetch()) {
  process.stdout.write(`${JSON.stringify(event)}\n`);
  if (event.phase === until) repository.close();
}

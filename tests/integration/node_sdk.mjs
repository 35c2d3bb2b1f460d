// Uses the official Node SDK as its documentation shows, and prints what it received as one line of JSON.
import { createRequire } from "node:module";

const [folder, baseUrl, apiKey, sourceUrl] = process.argv.slice(2);
const { connect } = createRequire(`${folder}/`)("videodb");

const conn = connect({ apiKey, baseUrl });
const coll = await conn.getCollection();
const socket = await conn.connectWebsocket();
await socket.connect();
const stream = await coll.connectRTStream(sourceUrl, "Desk", ["video", "audio"], undefined, true);
const listed = await coll.listRTStreams({ name: "Desk" });
const index = await stream.indexVisuals({
  prompt: "Describe the desk",
  batchConfig: { type: "time", value: 2, frameCount: 2 },
  name: "desk",
  socketId: socket.connectionId,
});
const eventId = await conn.createEvent("the picture changes", "changed");
const alertId = await index.createAlert(eventId, "", socket.connectionId);
let scene = null;
let alert = null;
for await (const message of socket.receive()) {
  if (message.channel === "scene_index") scene = message;
  if (message.channel === "alert") alert = message;
  if (scene && alert) break;
}
const { scenes } = await index.getScenes();
await index.stop();
await stream.stop();
const clip = await stream.generateStream(alert.data.start, alert.data.end);
await socket.close();
console.log(
  JSON.stringify({
    collection: coll.id,
    stream: { id: stream.id, status: stream.status },
    listed: listed.map((one) => one.id),
    index: { id: index.rtstreamIndexId, status: index.status, name: index.name },
    eventId,
    alertId,
    scene,
    alert,
    scenes: scenes.length,
    clip,
  }),
);
process.exit(0);

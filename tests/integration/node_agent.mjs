// An agent of OpenAI's Agents SDK with the tools of an MCP server. Prints its last words.
import { createRequire } from "node:module";

const [folder, mcpUrl, mcpKey, modelUrl, modelKey, model, task] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { Agent, MCPServerStreamableHttp, OpenAIChatCompletionsModel, run, setTracingDisabled } =
  require("@openai/agents");
const { OpenAI } = require("openai");

setTracingDisabled(true); // it would send every run to OpenAI
const server = new MCPServerStreamableHttp({
  url: mcpUrl,
  name: "rtstream",
  requestInit: { headers: { authorization: `Bearer ${mcpKey}` } },
});
await server.connect();
const client = new OpenAI({ baseURL: modelUrl, apiKey: modelKey });
const agent = new Agent({
  name: "Assistant",
  model: new OpenAIChatCompletionsModel(client, model),
  mcpServers: [server],
});
const result = await run(agent, task);
await server.close();
console.log(result.finalOutput);

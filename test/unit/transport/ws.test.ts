import { WsTransport } from "../../../src/transport/ws.ts";
import { describeTransportContract } from "../../contract/transport.ts";

describeTransportContract("ws", (options) => new WsTransport(options));

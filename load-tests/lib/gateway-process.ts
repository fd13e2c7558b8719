/** The gateway under measurement, as it is by default: in memory, `ws`, no log. */
import { createGateway } from "../../src/gateway.ts";
import { serve } from "./processes.ts";

serve(async () => {
  const gateway = createGateway({ port: 0 });
  const url = await gateway.listen();
  return { info: { url }, close: () => gateway.close() };
});

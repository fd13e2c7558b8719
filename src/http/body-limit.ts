/** Bodies over the limit are refused, those without a declared length while they are read. */
import { createMiddleware } from "hono/factory";
import { BatonError } from "../../protocol/errors.ts";

/** @throws BatonError `message_too_large` */
export function bodyLimit(maxBytes: number) {
  const tooLarge = (): BatonError =>
    new BatonError("message_too_large", `A body may have ${maxBytes} bytes. Send less.`, { maxBytes });
  return createMiddleware(async (c, next) => {
    if (Number(c.req.header("content-length") ?? 0) > maxBytes) throw tooLarge();
    if (c.req.header("transfer-encoding") !== undefined && c.req.raw.body) {
      let bytes = 0;
      const counted = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          bytes += chunk.byteLength;
          if (bytes > maxBytes) controller.error(tooLarge());
          else controller.enqueue(chunk);
        },
      });
      const { method, headers, signal } = c.req.raw;
      // `duplex` is missing from the DOM's types; Node demands it for a body that is a stream.
      const init: RequestInit & { duplex: "half" } = {
        method,
        headers,
        signal,
        body: c.req.raw.body.pipeThrough(counted),
        duplex: "half",
      };
      c.req.raw = new Request(c.req.url, init);
    }
    await next();
  });
}

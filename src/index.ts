/** What programs that embed a gateway import. */
export { createGateway, type Gateway, type GatewayOptions } from "./gateway.ts";
export { readConfig, ConfigError, type Config } from "./config.ts";
export { createLogger } from "./ops/log.ts";
export { BatonError } from "../protocol/errors.ts";

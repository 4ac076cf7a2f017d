import {
  BatchGetItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import middy from "@middy/core";

/** The least that a function with our AWS clients can be: it makes them, and does nothing. */

export const clients = [new DynamoDBClient(), new EventBridgeClient(), new SecretsManagerClient()];
export const commands = [
  BatchGetItemCommand,
  GetItemCommand,
  GetSecretValueCommand,
  PutEventsCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
];
export const handler = middy().handler(async () => ({}));

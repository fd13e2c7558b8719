/**
 * What each command of the Chrome DevTools Protocol is to a browser that somebody else drives. A test compares this
 * table with the published protocol: a command that Chromium gains has to be classed here before it counts as anything
 * but driving.
 *
 * - plumbing: changes only what this client is told, or lets a page or a request of the person's go on that waits for
 *   the client.
 * - observe: reads; the page cannot tell.
 * - drive: all the rest.
 * - deny: gets past the gate, outlives it, or ends the browser. Never passes, not even while the agent drives.
 *
 * The plumbing of a client that starts is what Playwright 1.65 and Puppeteer 24.43 were seen to send on connecting and
 * for each page, popup, frame and worker that opens. Playwright announces a page, and `connectOverCDP` resolves, only
 * when all of it was answered:
 *
 * - Playwright, browser: Browser.getVersion, Browser.setDownloadBehavior, Target.setAutoAttach, getTargetInfo,
 *   detachFromTarget. Page: Browser.getWindowForTarget (in contexts with a viewport; it sends nothing else until this
 *   is answered), Page.enable, getFrameTree, setLifecycleEventsEnabled, addScriptToEvaluateOnNewDocument,
 *   createIsolatedWorld, setFontFamilies, Log.enable, Runtime.enable, addBinding, runIfWaitingForDebugger,
 *   Network.enable, setCacheDisabled, Fetch.enable, Target.setAutoAttach, Inspector.enable,
 *   Emulation.setFocusEmulationEnabled, setEmulatedMedia. Worker: Runtime.enable, runIfWaitingForDebugger,
 *   Network.enable, setCacheDisabled, Target.setAutoAttach.
 * - Puppeteer, browser: Target.getBrowserContexts, setDiscoverTargets, setAutoAttach. Tab, page, frame, worker:
 *   Target.setAutoAttach, Runtime.runIfWaitingForDebugger, enable, addBinding, Network.enable, setCacheDisabled,
 *   Page.enable, getFrameTree, setLifecycleEventsEnabled, addScriptToEvaluateOnNewDocument, createIsolatedWorld,
 *   Fetch.enable, Audits.enable, Performance.enable, Log.enable, WebMCP.enable.
 *
 * Not plumbing, although they send it: what changes the page that the person sees (`SETS_UP` in cdp-policy.ts, and
 * Puppeteer's default viewport of 800 × 600, which it sets on pages that already run), and
 * Page.setInterceptFileChooserDialog, which takes the person's file chooser away.
 */

/** Names of commands, without their domain, separated by spaces. */
export interface Classed {
  readonly plumbing?: string;
  readonly observe?: string;
  readonly drive?: string;
  readonly deny?: string;
}

export const METHODS: Readonly<Record<string, Classed>> = {
  Accessibility: {
    plumbing: "disable enable",
    observe: "getAXNodeAndAncestors getChildAXNodes getFullAXTree getPartialAXTree getRootAXNode queryAXTree",
  },
  Ads: { observe: "getAdMetrics getAdScripts" },
  Animation: {
    plumbing: "disable enable",
    observe: "getCurrentTime getPlaybackRate resolveAnimation",
    drive: "releaseAnimations seekAnimations setPaused setPlaybackRate setTiming",
  },
  Audits: { plumbing: "disable enable", observe: "checkFormsIssues getEncodedResponse" },
  Autofill: { plumbing: "disable enable", drive: "setAddresses trigger" },
  BackgroundService: { plumbing: "startObserving stopObserving", drive: "clearEvents setRecording" },
  // Even `enable` replaces the machine's Bluetooth.
  BluetoothEmulation: {
    drive: `addCharacteristic addDescriptor addService disable enable removeCharacteristic removeDescriptor
      removeService setSimulatedCentralState simulateAdvertisement simulateCharacteristicOperationResponse
      simulateDescriptorOperationResponse simulateGATTDisconnection simulateGATTOperationResponse
      simulatePreconnectedPeripheral`,
  },
  Browser: {
    // setDownloadBehavior: decides where downloads of the person's go, but no client connects without it.
    plumbing: "getVersion getWindowForTarget setDownloadBehavior",
    observe: "getBrowserCommandLine getGlobalPrivacyControl getHistogram getHistograms getWindowBounds",
    drive: `addMockCamera addPrivacySandboxEnrollmentOverride cancelDownload grantPermissions resetPermissions
      setContentsSize setDockTile setGlobalPrivacyControl setPermission setWindowBounds`,
    // These end the browser, also when sent to a page. executeBrowserCommand acts on the browser's own interface.
    deny: "close crash crashGpuProcess executeBrowserCommand",
  },
  CacheStorage: {
    observe: "requestCacheNames requestCachedResponse requestEntries",
    drive: "deleteCache deleteEntry",
  },
  Cast: {
    plumbing: "disable enable",
    drive: "setSinkToUse stopCasting",
    // A picture of the browser that does not pass the gate, so that a private time could not end it.
    deny: "startDesktopMirroring startTabMirroring",
  },
  Console: { plumbing: "disable enable", drive: "clearMessages" },
  CrashReportContext: { observe: "getEntries" },
  CSS: {
    plumbing: "disable enable",
    observe: `collectClassNames getAnimatedStylesForNode getBackgroundColors getComputedStyleForNode
      getEnvironmentVariables getInlineStylesForNode getLayersForNode getLocationForSelector getLonghandProperties
      getMatchedStylesForNode getMediaQueries getPlatformFontsForNode getStyleSheetText resolveValues
      startRuleUsageTracking stopRuleUsageTracking takeComputedStyleUpdates takeCoverageDelta
      trackComputedStyleUpdates trackComputedStyleUpdatesForNode`,
    drive: `addRule createStyleSheet forcePositionTryOption forcePseudoState forceStartingStyle
      setContainerQueryConditionText setContainerQueryText setEffectivePropertyValueForNode setKeyframeKey
      setLocalFontsEnabled setMediaText setNavigationText setPropertyRulePropertyName setRuleSelector setScopeText
      setStyleSheetText setStyleTexts setSupportsText`,
  },
  Debugger: {
    // Removing and resuming undo what the client set before: without them the person's page stays paused.
    plumbing: "disable enable removeBreakpoint resume setAsyncCallStackDepth",
    observe: `disassembleWasmModule getPossibleBreakpoints getScriptSource getStackTrace getWasmBytecode
      nextWasmDisassemblyChunk searchInContent`,
    drive: `continueToLocation evaluateOnCallFrame pause pauseOnAsyncCall restartFrame setBlackboxExecutionContexts
      setBlackboxPatterns setBlackboxedRanges setBreakpoint setBreakpointByUrl setBreakpointOnFunctionCall
      setBreakpointsActive setInstrumentationBreakpoint setPauseOnExceptions setReturnValue setScriptSource
      setSkipAllPauses setVariableValue stepInto stepOut stepOver`,
  },
  // Once enabled, the person's device chooser waits for the client.
  DeviceAccess: { drive: "cancelPrompt disable enable selectPrompt" },
  DeviceOrientation: { drive: "clearDeviceOrientationOverride setDeviceOrientationOverride" },
  DigitalCredentials: { drive: "setVirtualWalletBehavior" },
  DOM: {
    plumbing: "disable discardSearchResults enable setNodeStackTracesEnabled",
    observe: `collectClassNamesFromSubtree describeNode getAnchorElement getAttributes getBoxModel
      getContainerForNode getContentQuads getDetachedDomNodes getDocument getElementByRelation getFileInfo
      getFlattenedDocument getFrameOwner getImplicitAnchorCandidates getNodeForLocation getNodeStackTraces
      getNodesForSubtreeByStyle getOuterHTML getQueryingDescendantsForContainer getRelayoutBoundary
      getSearchResults getTopLayerElements performSearch pushNodeByPathToFrontend pushNodesByBackendIdsToFrontend
      querySelector querySelectorAll requestChildNodes requestNode resolveNode setInspectedNode`,
    // Highlights and text markers are drawn over the page; the undo stack is the page's.
    drive: `clearTextMarkers copyTo focus forceShowInterest forceShowPopover hideHighlight highlightNode highlightRect
      markUndoableState moveTo redo removeAttribute removeNode scrollIntoViewIfNeeded setAttributeValue
      setAttributesAsText setFileInputFiles setNodeName setNodeValue setOuterHTML setTextMarker undo`,
  },
  // A breakpoint pauses the page at the person's next click.
  DOMDebugger: {
    plumbing:
      "removeDOMBreakpoint removeEventListenerBreakpoint removeInstrumentationBreakpoint removeXHRBreakpoint",
    observe: "getEventListeners",
    drive:
      "setBreakOnCSPViolation setDOMBreakpoint setEventListenerBreakpoint setInstrumentationBreakpoint setXHRBreakpoint",
  },
  DOMSnapshot: { plumbing: "disable enable", observe: "captureSnapshot getSnapshot" },
  DOMStorage: {
    plumbing: "disable enable",
    observe: "getDOMStorageItems",
    drive: "clear removeDOMStorageItem setDOMStorageItem",
  },
  Emulation: {
    // Playwright sends both on connecting. A page that already runs may see a focus event, or other media features.
    plumbing: "setEmulatedMedia setFocusEmulationEnabled",
    observe: "canEmulate getOverriddenSensorInformation getScreenInfos",
    drive: `addScreen clearDeviceMetricsOverride clearDevicePostureOverride clearDisplayFeaturesOverride
      clearGeolocationOverride clearIdleOverride removeScreen resetPageScaleFactor setAutoDarkModeOverride
      setAutomationOverride setCPUPerformanceOverride setCPUThrottlingRate setDataSaverOverride
      setDefaultBackgroundColorOverride setDeviceMetricsOverride setDevicePostureOverride setDisabledImageTypes
      setDisplayFeaturesOverride setDocumentCookieDisabled setEmitTouchEventsForMouse setEmulatedOSTextScale
      setEmulatedVisionDeficiency setGeolocationOverride setHardwareConcurrencyOverride setIdleOverride
      setLocaleOverride setNavigatorOverrides setPageScaleFactor setPressureSourceOverrideEnabled
      setPressureStateOverride setPrimaryScreen setSafeAreaInsetsOverride setScriptExecutionDisabled
      setScrollbarsHidden setSensorOverrideEnabled setSensorOverrideReadings
      setSmallViewportHeightDifferenceOverride setTimezoneOverride setTouchEmulationEnabled setUserAgentOverride
      setVirtualKeyboardGeometryOverride setVirtualTimePolicy setVisibleSize updateScreen`,
  },
  EventBreakpoints: {
    plumbing: "disable removeInstrumentationBreakpoint",
    drive: "setInstrumentationBreakpoint",
  },
  Extensions: {
    observe: "getExtensions getStorageItems",
    drive: "clearStorageItems removeStorageItems setStorageItems triggerAction uninstall",
    // Code from the browser's disk that drives pages by itself, with a debugger of its own.
    deny: "loadUnpacked",
  },
  // Once enabled, a sign-in dialog waits for the client.
  FedCm: { drive: "clickDialogButton disable dismissDialog enable openUrl resetCooldown selectAccount" },
  Fetch: {
    // getResponseBody: a client that rewrites answers cannot let the person's request go on before it has the body.
    plumbing:
      "continueRequest continueResponse continueWithAuth disable enable failRequest fulfillRequest getResponseBody",
    observe: "takeResponseBodyAsStream",
  },
  FileSystem: { observe: "getDirectory" },
  // Scrolls to what it finds, and marks it.
  FindInPage: { drive: "findFirst findNext findPrev stop" },
  HeadlessExperimental: { plumbing: "disable enable", drive: "beginFrame" },
  HeapProfiler: {
    plumbing: "disable enable",
    observe: `addInspectedHeapObject getHeapObjectId getObjectByHeapObjectId getSamplingProfile startSampling
      startTrackingHeapObjects stopSampling stopTrackingHeapObjects takeHeapSnapshot`,
    // Reads nothing, and finalizers of the page's run.
    drive: "collectGarbage",
  },
  IndexedDB: {
    plumbing: "disable enable",
    observe: "getMetadata requestData requestDatabase requestDatabaseNames",
    drive: "clearObjectStore deleteDatabase deleteObjectStoreEntries",
  },
  Input: {
    drive: `cancelDragging dispatchDragEvent dispatchKeyEvent dispatchMouseEvent dispatchTouchEvent
      emulateTouchFromMouseEvent imeSetComposition insertText setIgnoreInputEvents setInterceptDrags
      synthesizePinchGesture synthesizeScrollGesture synthesizeTapGesture`,
  },
  Inspector: { plumbing: "disable enable" },
  IO: { plumbing: "close", observe: "read resolveBlob" },
  LayerTree: {
    plumbing: "disable enable",
    observe: `compositingReasons loadSnapshot makeSnapshot profileSnapshot releaseSnapshot replaySnapshot
      snapshotCommandLog`,
  },
  Log: { plumbing: "disable enable startViolationsReport stopViolationsReport", drive: "clear" },
  Media: { plumbing: "disable enable" },
  Memory: {
    observe: `getAllTimeSamplingProfile getBrowserSamplingProfile getDOMCounters getSamplingProfile startSampling
      stopSampling`,
    // The leak detection ends workers of the page before it counts.
    drive: `forciblyPurgeJavaScriptMemory getDOMCountersForLeakDetection prepareForLeakDetection
      setPressureNotificationsSuppressed simulatePressureNotification`,
  },
  Network: {
    // setCacheDisabled: part of every interception, and of every new page under one.
    plumbing: `configureDurableMessages disable enable enableDeviceBoundSessions enableReportingApi
      setAttachDebugStack setCacheDisabled`,
    observe: `canClearBrowserCache canClearBrowserCookies canEmulateNetworkConditions fetchSchemefulSite getAllCookies
      getCertificate getCookies getRequestPostData getResponseBody getSecurityIsolationStatus searchInResponseBody
      streamResourceContent`,
    // loadNetworkResource sends a request with the page's cookies.
    drive: `clearBrowserCache clearBrowserCookies deleteCookies deleteDeviceBoundSession emulateNetworkConditions
      emulateNetworkConditionsByRule loadNetworkResource overrideNetworkState replayXHR setBlockedURLs
      setBypassServiceWorker setCookie setCookieControls setCookies setExtraHTTPHeaders setUserAgentOverride`,
  },
  // Draws over the page; inspect mode takes the person's clicks.
  Overlay: {
    plumbing: "disable enable",
    observe: "getGridHighlightObjectsForTest getHighlightObjectForTest getSourceOrderHighlightObjectForTest",
    drive: `hideHighlight highlightFrame highlightNode highlightQuad highlightRect highlightSourceOrder setInspectMode
      setPausedInDebuggerMessage setShowAdHighlights setShowContainerQueryOverlays setShowDebugBorders
      setShowDisplayCutout setShowFPSCounter setShowFlexOverlays setShowGridOverlays setShowHinge
      setShowHitTestBorders setShowInspectedElementAnchor setShowIsolatedElements setShowLayoutShiftRegions
      setShowPaintRects setShowScrollBottleneckRects setShowScrollSnapOverlays setShowViewportSizeOnResize
      setShowWebVitals setShowWindowControlsOverlay`,
  },
  Page: {
    // addScriptToEvaluateOnNewDocument: with a script in it, it is more than that. See cdp-policy.ts.
    plumbing: `addScriptToEvaluateOnNewDocument createIsolatedWorld disable enable getFrameTree
      removeScriptToEvaluateOnLoad removeScriptToEvaluateOnNewDocument screencastFrameAck setFontFamilies
      setLifecycleEventsEnabled stopScreencast`,
    observe: `captureScreenshot captureSnapshot getAdScriptAncestry getAnnotatedPageContent getAppId getAppManifest
      getInstallabilityErrors getLayoutMetrics getManifestIcons getNavigationHistory getOriginTrials
      getPermissionsPolicyState getResourceContent getResourceTree getSiblingSubApps getSpellCheckCustomDictionary
      getSubApps searchInResource startScreencast stopScreenRecording`,
    // printToPDF: the page's beforeprint and afterprint handlers run.
    drive: `addCompilationCache addScriptToEvaluateOnLoad bringToFront clearCompilationCache
      clearDeviceMetricsOverride clearDeviceOrientationOverride clearGeolocationOverride close crash deleteCookie
      generateTestReport handleJavaScriptDialog navigate navigateToHistoryEntry printToPDF produceCompilationCache
      reload resetNavigationHistory setAdBlockingEnabled setBypassCSP setDeviceMetricsOverride
      setDeviceOrientationOverride setDocumentContent setDownloadBehavior setFontSizes setGeolocationOverride
      setInputVisualization setInterceptFileChooserDialog setPrerenderingAllowed setRPHRegistrationMode
      setSPCTransactionMode setTouchEmulationEnabled setWebLifecycleState stopLoading waitForDebugger`,
    // A film that goes on through a private time and is fetched after it.
    deny: "startScreenRecording",
  },
  Performance: { plumbing: "disable enable setTimeDomain", observe: "getMetrics" },
  PerformanceTimeline: { plumbing: "enable" },
  Preload: { plumbing: "disable enable" },
  Profiler: {
    plumbing: "disable enable",
    observe:
      "getBestEffortCoverage setSamplingInterval start startPreciseCoverage stop stopPreciseCoverage takePreciseCoverage",
  },
  PWA: {
    observe: "getOsAppState",
    drive: "changeAppUserSettings install launch launchFilesInApp openCurrentPageInApp uninstall",
  },
  Runtime: {
    plumbing: `addBinding disable enable releaseObject releaseObjectGroup removeBinding runIfWaitingForDebugger
      setAsyncCallStackDepth setMaxCallStackSizeToCapture`,
    observe:
      "getExceptionDetails getHeapUsage getIsolateId getProperties globalLexicalScopeNames queryObjects",
    // setCustomObjectFormatterEnabled: from then on a read runs formatters, which are scripts of the page.
    // awaitPromise: marks the promise as handled, so the page's unhandledrejection stays out.
    drive: `awaitPromise callFunctionOn compileScript discardConsoleEntries evaluate runScript
      setCustomObjectFormatterEnabled terminateExecution`,
  },
  Schema: { plumbing: "getDomains" },
  Security: {
    plumbing: "disable enable",
    drive: "handleCertificateError setIgnoreCertificateErrors setOverrideCertificateErrors",
  },
  ServiceWorker: {
    plumbing: "disable enable",
    drive: `deliverPushMessage dispatchPeriodicSyncEvent dispatchSyncEvent setForceUpdateOnPageLoad skipWaiting
      startWorker stopAllWorkers stopWorker unregister updateRegistration`,
  },
  // Even `enable` replaces the machine's card readers.
  SmartCardEmulation: {
    drive: `disable enable reportBeginTransactionResult reportConnectResult reportDataResult reportError
      reportEstablishContextResult reportGetStatusChangeResult reportListReadersResult reportPlainResult
      reportReleaseContextResult reportStatusResult`,
  },
  Storage: {
    plumbing: `setPrivateVerificationTokensTracking setStorageBucketTracking trackCacheStorageForOrigin
      trackCacheStorageForStorageKey trackIndexedDBForOrigin trackIndexedDBForStorageKey
      untrackCacheStorageForOrigin untrackCacheStorageForStorageKey untrackIndexedDBForOrigin
      untrackIndexedDBForStorageKey`,
    observe: `getCookies getPrivateVerificationTokens getPrivateVerificationTokensIssuerConfigs getStorageKey
      getStorageKeyForFrame getTrustTokens getUsageAndQuota`,
    drive: `clearCookies clearDataForOrigin clearDataForStorageKey clearPrivateVerificationTokens clearTrustTokens
      deletePrivateVerificationToken deleteStorageBucket overrideQuotaForOrigin runBounceTrackingMitigations
      setCookies`,
  },
  SystemInfo: { observe: "getFeatureState getInfo getProcessInfo" },
  Target: {
    plumbing: `attachToBrowserTarget attachToTarget autoAttachRelated detachFromTarget getBrowserContexts
      getTargetInfo getTargets setAutoAttach setDiscoverTargets`,
    observe: "getDevToolsTarget",
    drive: "activateTarget closeTarget createBrowserContext createTarget disposeBrowserContext",
    // exposeDevToolsProtocol hands the protocol to a page's own script; sendMessageToTarget carries a command inside a
    // string; openDevTools opens a page that drives the other; setRemoteLocations reaches other debuggers.
    deny: "exposeDevToolsProtocol openDevTools sendMessageToTarget setRemoteLocations",
  },
  // Opens ports of the browser's machine.
  Tethering: { deny: "bind unbind" },
  Tracing: {
    observe: "end getCategories getTrackEventDescriptor recordClockSyncMarker requestMemoryDump start",
  },
  WebAudio: { plumbing: "disable enable", observe: "getRealtimeData" },
  // Even `enable` takes the person's own keys away: a virtual authenticator answers instead.
  WebAuthn: {
    observe: "getCredential getCredentials",
    drive: `addCredential addVirtualAuthenticator clearCredentials disable enable removeCredential
      removeVirtualAuthenticator setAutomaticPresenceSimulation setCredentialProperties setResponseOverrideBits
      setUserVerified`,
  },
  WebMCP: { plumbing: "disable enable", drive: "cancelInvocation invokeTool" },
};
